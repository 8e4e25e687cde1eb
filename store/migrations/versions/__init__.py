"""One module for each version of the tables. `database.schema.SCHEMA` names the newest."""
