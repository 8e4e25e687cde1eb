"""Onion services of Tor: the source's interface, and the sync endpoint.

Imports `deploy.settings`, modules at the root of `deploy`, and `programs`, `store` and `crypto`.

- `clients`: workstations that may connect to the onion service for sync (client authorisation)
- `control`: commands to Tor over its control port
- `folders`: a service's folder on the disk, in Tor's form
- `onion_backup`: encrypted backup of keys, clients and settings, and its restore
- `onion_keys`: a service's secret key
- `onion_status`: state of the services, for `steunpunt onion status`
- `publish_services`: publish through the control port, for `steunpunt onion publish`
- `torrc`: lines for Tor's settings, for `steunpunt onion torrc`
- `workstation_tor`: the key with which a workstation's Tor connects to the server
"""
