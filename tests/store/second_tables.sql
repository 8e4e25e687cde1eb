-- What version 0002 added to first_tables.sql: the two together are what a store that was in use holds.
CREATE TABLE record (
    id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    name BLOB NOT NULL,
    revision INTEGER NOT NULL,
    CONSTRAINT ck_record_revision CHECK (revision >= 1),
    CONSTRAINT fk_record_id FOREIGN KEY(id) REFERENCES sealed (id),
    CONSTRAINT pk_record PRIMARY KEY (id),
    CONSTRAINT uq_record_kind_name UNIQUE (kind, name)
);
CREATE TABLE purge_order (
    id INTEGER NOT NULL,
    address BLOB NOT NULL,
    due DATE NOT NULL,
    CONSTRAINT fk_purge_order_address FOREIGN KEY(address) REFERENCES mailbox (address),
    CONSTRAINT fk_purge_order_id FOREIGN KEY(id) REFERENCES sealed (id),
    CONSTRAINT pk_purge_order PRIMARY KEY (id),
    CONSTRAINT uq_purge_order_address UNIQUE (address)
);
CREATE INDEX ix_purge_order_due ON purge_order (due);
CREATE TABLE order_tally (
    id INTEGER NOT NULL,
    purge_order INTEGER NOT NULL,
    number INTEGER NOT NULL,
    CONSTRAINT fk_order_tally_id FOREIGN KEY(id) REFERENCES sealed (id),
    CONSTRAINT fk_order_tally_purge_order FOREIGN KEY(purge_order) REFERENCES purge_order (id),
    CONSTRAINT pk_order_tally PRIMARY KEY (id),
    CONSTRAINT uq_order_tally_purge_order_number UNIQUE (purge_order, number)
);
CREATE TABLE ledger (
    id INTEGER NOT NULL,
    CONSTRAINT fk_ledger_id FOREIGN KEY(id) REFERENCES sealed (id),
    CONSTRAINT pk_ledger PRIMARY KEY (id)
);
CREATE TABLE public_file (
    id INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    body BLOB NOT NULL,
    CONSTRAINT pk_public_file PRIMARY KEY (id),
    CONSTRAINT uq_public_file_name UNIQUE (name)
);
UPDATE alembic_version SET version_num = '0002';
