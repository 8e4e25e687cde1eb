CREATE TABLE attachment (
	id INTEGER NOT NULL, 
	address BLOB NOT NULL, 
	entry_id BLOB NOT NULL, 
	attachment_id BLOB NOT NULL, 
	chunks INTEGER NOT NULL, 
	is_whole BOOLEAN NOT NULL, 
	pending_half_hour INTEGER, 
	peer BLOB, 
	CONSTRAINT pk_attachment PRIMARY KEY (id), 
	CONSTRAINT uq_attachment_address_attachment_id UNIQUE (address, attachment_id), 
	CONSTRAINT fk_attachment_id FOREIGN KEY(id) REFERENCES sealed (id), 
	CONSTRAINT fk_attachment_address FOREIGN KEY(address) REFERENCES mailbox (address)
);
CREATE TABLE chunk (
	id INTEGER NOT NULL, 
	attachment_row INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	CONSTRAINT pk_chunk PRIMARY KEY (id), 
	CONSTRAINT uq_chunk_attachment_row_number UNIQUE (attachment_row, number), 
	CONSTRAINT fk_chunk_id FOREIGN KEY(id) REFERENCES sealed (id), 
	CONSTRAINT fk_chunk_attachment_row FOREIGN KEY(attachment_row) REFERENCES attachment (id)
);
CREATE TABLE deletion_queue (
	id INTEGER NOT NULL, 
	CONSTRAINT pk_deletion_queue PRIMARY KEY (id)
);
CREATE TABLE ended_mailbox (
	id INTEGER NOT NULL, 
	address BLOB NOT NULL, 
	recipient BLOB NOT NULL, 
	verify_key BLOB NOT NULL, 
	proof BLOB NOT NULL, 
	day DATE NOT NULL, 
	CONSTRAINT pk_ended_mailbox PRIMARY KEY (id), 
	CONSTRAINT uq_ended_mailbox_address UNIQUE (address)
);
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
	CONSTRAINT pk_entry PRIMARY KEY (id), 
	CONSTRAINT fk_entry_address FOREIGN KEY(address) REFERENCES mailbox (address)
);
CREATE TABLE ledger_tally (
	id INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	CONSTRAINT pk_ledger_tally PRIMARY KEY (id), 
	CONSTRAINT uq_ledger_tally_digest UNIQUE (digest), 
	CONSTRAINT fk_ledger_tally_id FOREIGN KEY(id) REFERENCES sealed (id)
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
	sealed_bytes INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	waiting_since DATE, 
	due DATE, 
	last_day DATE, 
	CONSTRAINT pk_mailbox PRIMARY KEY (id), 
	CONSTRAINT uq_mailbox_address UNIQUE (address), 
	CONSTRAINT ck_mailbox_address CHECK (length(address) = 20)
);
CREATE TABLE mailbox_tally (
	id INTEGER NOT NULL, 
	address BLOB NOT NULL, 
	CONSTRAINT pk_mailbox_tally PRIMARY KEY (id), 
	CONSTRAINT fk_mailbox_tally_id FOREIGN KEY(id) REFERENCES sealed (id), 
	CONSTRAINT fk_mailbox_tally_address FOREIGN KEY(address) REFERENCES mailbox (address)
);
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	peer BLOB NOT NULL, 
	kind VARCHAR NOT NULL, 
	address BLOB NOT NULL, 
	name BLOB NOT NULL, 
	replaces BLOB NOT NULL, 
	pouch_serial INTEGER, 
	packed_revision INTEGER, 
	is_changed BOOLEAN NOT NULL, 
	CONSTRAINT pk_outbox PRIMARY KEY (id), 
	CONSTRAINT uq_outbox_peer_kind_address_name UNIQUE (peer, kind, address, name), 
	CONSTRAINT fk_outbox_peer FOREIGN KEY(peer) REFERENCES peer (name)
);
CREATE TABLE peer (
	id INTEGER NOT NULL, 
	name BLOB NOT NULL, 
	card BLOB NOT NULL, 
	sent_serial INTEGER NOT NULL, 
	acknowledged_serial INTEGER NOT NULL, 
	applied_serial INTEGER NOT NULL, 
	last_applied_day DATE, 
	rollback_day DATE, 
	letterhead_serial INTEGER NOT NULL, 
	has_more BOOLEAN NOT NULL, 
	CONSTRAINT pk_peer PRIMARY KEY (id), 
	CONSTRAINT uq_peer_name UNIQUE (name), 
	CONSTRAINT ck_peer_name CHECK (length(name) IN (0, 8))
);
CREATE TABLE public_file (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_public_file PRIMARY KEY (id), 
	CONSTRAINT uq_public_file_name UNIQUE (name)
);
CREATE TABLE record (
	id INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	name BLOB NOT NULL, 
	revision INTEGER NOT NULL, 
	is_dropped BOOLEAN NOT NULL, 
	goes_to_peers BOOLEAN NOT NULL, 
	CONSTRAINT pk_record PRIMARY KEY (id), 
	CONSTRAINT uq_record_kind_name UNIQUE (kind, name), 
	CONSTRAINT ck_record_revision CHECK (revision >= 1), 
	CONSTRAINT fk_record_id FOREIGN KEY(id) REFERENCES sealed (id)
);
CREATE TABLE sealed (
	id INTEGER NOT NULL, 
	size INTEGER NOT NULL, 
	shield BLOB NOT NULL, 
	header BLOB, 
	payload BLOB, 
	CONSTRAINT pk_sealed PRIMARY KEY (id), 
	CONSTRAINT ck_sealed_chunk CHECK (length(payload) <= 1048576)
);
CREATE TABLE sync_finding (
	id INTEGER NOT NULL, 
	address BLOB NOT NULL, 
	digest BLOB NOT NULL, 
	kind VARCHAR NOT NULL, 
	day DATE NOT NULL, 
	CONSTRAINT pk_sync_finding PRIMARY KEY (id), 
	CONSTRAINT uq_sync_finding_address_digest_kind UNIQUE (address, digest, kind)
);
CREATE TABLE usage (
	id INTEGER NOT NULL, 
	sealed_bytes INTEGER NOT NULL, 
	CONSTRAINT pk_usage PRIMARY KEY (id), 
	CONSTRAINT ck_usage_one_row CHECK (id = 1)
);
CREATE INDEX ix_attachment_address_entry_id ON attachment (address, entry_id);
CREATE INDEX ix_attachment_pending_half_hour ON attachment (pending_half_hour);
CREATE INDEX ix_entry_address_author_strand_number ON entry (address, author, strand, number);
CREATE INDEX ix_entry_address_digest ON entry (address, digest);
CREATE INDEX ix_entry_address_entry_id ON entry (address, entry_id);
CREATE INDEX ix_mailbox_due ON mailbox (due);
CREATE INDEX ix_mailbox_tally_address ON mailbox_tally (address);
CREATE INDEX ix_mailbox_waiting_since_last_day_address ON mailbox (waiting_since, last_day, address);
CREATE INDEX ix_outbox_peer_address ON outbox (peer, address);
INSERT INTO usage (id, sealed_bytes) VALUES (1, 0);
