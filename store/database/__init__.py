"""The database file: schema, engine, prepared statements, sealed rows."""
