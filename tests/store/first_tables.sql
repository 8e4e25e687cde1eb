-- The tables as version 0001 made them: what a store that was in use before holds.
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE doomed (
    id INTEGER NOT NULL,
    CONSTRAINT pk_doomed PRIMARY KEY (id)
);
CREATE TABLE ended (
    id INTEGER NOT NULL,
    address BLOB NOT NULL,
    recipient BLOB NOT NULL,
    verify_key BLOB NOT NULL,
    statement BLOB NOT NULL,
    day DATE NOT NULL,
    CONSTRAINT pk_ended PRIMARY KEY (id),
    CONSTRAINT uq_ended_address UNIQUE (address)
);
CREATE TABLE letterhead (
    serial INTEGER NOT NULL,
    body BLOB NOT NULL,
    signature BLOB NOT NULL,
    CONSTRAINT pk_letterhead PRIMARY KEY (serial)
);
CREATE TABLE mailbox (
    id INTEGER NOT NULL,
    address BLOB NOT NULL,
    recipient BLOB NOT NULL,
    verify_key BLOB NOT NULL,
    opened_day DATE NOT NULL,
    bytes BIGINT NOT NULL,
    waiting_since DATE,
    last_day DATE,
    last_author INTEGER,
    CONSTRAINT pk_mailbox PRIMARY KEY (id),
    CONSTRAINT ck_mailbox_address CHECK (length(address) = 20),
    CONSTRAINT uq_mailbox_address UNIQUE (address)
);
CREATE INDEX ix_mailbox_waiting_since_last_day_address ON mailbox (waiting_since, last_day, address);
CREATE TABLE sealed (
    id INTEGER NOT NULL,
    size INTEGER NOT NULL,
    shield BLOB NOT NULL,
    header BLOB,
    payload BLOB,
    CONSTRAINT pk_sealed PRIMARY KEY (id),
    CONSTRAINT ck_sealed_chunk CHECK (length(payload) <= 1048576)
);
CREATE TABLE usage (
    id INTEGER NOT NULL,
    bytes BIGINT NOT NULL,
    CONSTRAINT pk_usage PRIMARY KEY (id),
    CONSTRAINT ck_usage_one_row CHECK (id = 1)
);
CREATE TABLE attachment (
    id INTEGER NOT NULL,
    address BLOB NOT NULL,
    entry_id BLOB NOT NULL,
    attachment_id BLOB NOT NULL,
    chunks INTEGER NOT NULL,
    is_whole BOOLEAN NOT NULL,
    half_hour INTEGER,
    CONSTRAINT pk_attachment PRIMARY KEY (id),
    CONSTRAINT fk_attachment_address FOREIGN KEY(address) REFERENCES mailbox (address),
    CONSTRAINT fk_attachment_id FOREIGN KEY(id) REFERENCES sealed (id),
    CONSTRAINT uq_attachment_attachment_id UNIQUE (attachment_id)
);
CREATE INDEX ix_attachment_address_entry_id ON attachment (address, entry_id);
CREATE INDEX ix_attachment_half_hour ON attachment (half_hour);
CREATE TABLE entry (
    id INTEGER NOT NULL,
    address BLOB NOT NULL,
    author INTEGER NOT NULL,
    strand BLOB NOT NULL,
    number INTEGER NOT NULL,
    entry_id BLOB NOT NULL,
    digest BLOB NOT NULL,
    envelope BLOB NOT NULL,
    signature BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    day DATE NOT NULL,
    removal BLOB,
    CONSTRAINT pk_entry PRIMARY KEY (id),
    CONSTRAINT ck_entry_author CHECK (author IN (0, 1)),
    CONSTRAINT ck_entry_number CHECK (number >= 1),
    CONSTRAINT fk_entry_address FOREIGN KEY(address) REFERENCES mailbox (address),
    CONSTRAINT uq_entry_address_author_strand_number UNIQUE (address, author, strand, number),
    CONSTRAINT uq_entry_address_entry_id UNIQUE (address, entry_id)
);
CREATE TABLE head (
    id INTEGER NOT NULL,
    address BLOB NOT NULL,
    author INTEGER NOT NULL,
    strand BLOB NOT NULL,
    number INTEGER NOT NULL,
    digest BLOB NOT NULL,
    CONSTRAINT pk_head PRIMARY KEY (id),
    CONSTRAINT fk_head_address FOREIGN KEY(address) REFERENCES mailbox (address),
    CONSTRAINT uq_head_address_author_strand UNIQUE (address, author, strand)
);
CREATE TABLE chunk (
    id INTEGER NOT NULL,
    attachment INTEGER NOT NULL,
    number INTEGER NOT NULL,
    CONSTRAINT pk_chunk PRIMARY KEY (id),
    CONSTRAINT fk_chunk_attachment FOREIGN KEY(attachment) REFERENCES attachment (id),
    CONSTRAINT fk_chunk_id FOREIGN KEY(id) REFERENCES sealed (id),
    CONSTRAINT uq_chunk_attachment_number UNIQUE (attachment, number)
);
INSERT INTO alembic_version VALUES ('0001');
INSERT INTO usage (id, bytes) VALUES (1, 0);
