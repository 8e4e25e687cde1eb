CREATE TABLE mailbox (
	id BIGINT NOT NULL,
	address BYTEA NOT NULL,
	recipient BYTEA NOT NULL,
	verify_key BYTEA NOT NULL,
	opened_day DATE NOT NULL,
	sealed_bytes BIGINT NOT NULL CHECK (sealed_bytes BETWEEN -4611686018427387904 AND 4611686018427387904),
	version BIGINT NOT NULL,
	waiting_since DATE,
	due DATE,
	last_day DATE,
	CONSTRAINT pk_mailbox PRIMARY KEY (id),
	CONSTRAINT uq_mailbox_address UNIQUE (address),
	CONSTRAINT ck_mailbox_address CHECK (length(address) = 20)
);
CREATE TABLE peer (
	id BIGINT NOT NULL,
	name BYTEA NOT NULL,
	card BYTEA NOT NULL,
	sent_serial BIGINT NOT NULL,
	acknowledged_serial BIGINT NOT NULL,
	applied_serial BIGINT NOT NULL,
	last_applied_day DATE,
	rollback_day DATE,
	letterhead_serial BIGINT NOT NULL,
	has_more BOOLEAN NOT NULL,
	CONSTRAINT pk_peer PRIMARY KEY (id),
	CONSTRAINT uq_peer_name UNIQUE (name),
	CONSTRAINT ck_peer_name CHECK (length(name) IN (0, 8))
);
CREATE TABLE sealed (
	id BIGINT NOT NULL,
	size BIGINT NOT NULL CHECK (size BETWEEN -4611686018427387904 AND 4611686018427387904),
	shield BYTEA NOT NULL,
	header BYTEA,
	payload BYTEA,
	CONSTRAINT pk_sealed PRIMARY KEY (id),
	CONSTRAINT ck_sealed_chunk CHECK (length(payload) <= 1048576)
);
CREATE TABLE attachment (
	id BIGINT NOT NULL,
	address BYTEA NOT NULL,
	entry_id BYTEA NOT NULL,
	attachment_id BYTEA NOT NULL,
	chunks BIGINT NOT NULL,
	is_whole BOOLEAN NOT NULL,
	pending_half_hour BIGINT,
	peer BYTEA,
	CONSTRAINT pk_attachment PRIMARY KEY (id),
	CONSTRAINT uq_attachment_address_attachment_id UNIQUE (address, attachment_id),
	CONSTRAINT fk_attachment_id FOREIGN KEY(id) REFERENCES sealed (id),
	CONSTRAINT fk_attachment_address FOREIGN KEY(address) REFERENCES mailbox (address)
);
CREATE TABLE chunk (
	id BIGINT NOT NULL,
	attachment_row BIGINT NOT NULL,
	number BIGINT NOT NULL,
	CONSTRAINT pk_chunk PRIMARY KEY (id),
	CONSTRAINT uq_chunk_attachment_row_number UNIQUE (attachment_row, number),
	CONSTRAINT fk_chunk_id FOREIGN KEY(id) REFERENCES sealed (id),
	CONSTRAINT fk_chunk_attachment_row FOREIGN KEY(attachment_row) REFERENCES attachment (id)
);
CREATE TABLE deletion_queue (
	id BIGINT NOT NULL,
	CONSTRAINT pk_deletion_queue PRIMARY KEY (id)
);
CREATE TABLE ended_mailbox (
	id BIGINT NOT NULL,
	address BYTEA NOT NULL,
	recipient BYTEA NOT NULL,
	verify_key BYTEA NOT NULL,
	proof BYTEA NOT NULL,
	day DATE NOT NULL,
	CONSTRAINT pk_ended_mailbox PRIMARY KEY (id),
	CONSTRAINT uq_ended_mailbox_address UNIQUE (address)
);
CREATE TABLE entry (
	id BIGINT NOT NULL,
	address BYTEA NOT NULL,
	author BIGINT NOT NULL,
	strand BYTEA NOT NULL,
	number BIGINT NOT NULL,
	entry_id BYTEA NOT NULL,
	digest BYTEA NOT NULL,
	envelope BYTEA NOT NULL,
	signature BYTEA NOT NULL,
	epoch BIGINT NOT NULL,
	day DATE NOT NULL,
	CONSTRAINT pk_entry PRIMARY KEY (id),
	CONSTRAINT fk_entry_address FOREIGN KEY(address) REFERENCES mailbox (address)
);
CREATE TABLE ledger_tally (
	id BIGINT NOT NULL,
	digest BYTEA NOT NULL,
	CONSTRAINT pk_ledger_tally PRIMARY KEY (id),
	CONSTRAINT uq_ledger_tally_digest UNIQUE (digest),
	CONSTRAINT fk_ledger_tally_id FOREIGN KEY(id) REFERENCES sealed (id)
);
CREATE TABLE letterhead (
	serial BIGINT NOT NULL,
	body BYTEA NOT NULL,
	signature BYTEA NOT NULL,
	CONSTRAINT pk_letterhead PRIMARY KEY (serial)
);
CREATE TABLE mailbox_tally (
	id BIGINT NOT NULL,
	address BYTEA NOT NULL,
	CONSTRAINT pk_mailbox_tally PRIMARY KEY (id),
	CONSTRAINT fk_mailbox_tally_id FOREIGN KEY(id) REFERENCES sealed (id),
	CONSTRAINT fk_mailbox_tally_address FOREIGN KEY(address) REFERENCES mailbox (address)
);
CREATE TABLE outbox (
	id BIGINT NOT NULL,
	peer BYTEA NOT NULL,
	kind TEXT COLLATE "C" NOT NULL,
	address BYTEA NOT NULL,
	name BYTEA NOT NULL,
	replaces BYTEA NOT NULL,
	pouch_serial BIGINT,
	packed_revision BIGINT,
	is_changed BOOLEAN NOT NULL,
	CONSTRAINT pk_outbox PRIMARY KEY (id),
	CONSTRAINT uq_outbox_peer_kind_address_name UNIQUE (peer, kind, address, name),
	CONSTRAINT fk_outbox_peer FOREIGN KEY(peer) REFERENCES peer (name)
);
CREATE TABLE public_file (
	id BIGINT NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	body BYTEA NOT NULL,
	CONSTRAINT pk_public_file PRIMARY KEY (id),
	CONSTRAINT uq_public_file_name UNIQUE (name)
);
CREATE TABLE record (
	id BIGINT NOT NULL,
	kind TEXT COLLATE "C" NOT NULL,
	name BYTEA NOT NULL,
	revision BIGINT NOT NULL,
	is_dropped BOOLEAN NOT NULL,
	goes_to_peers BOOLEAN NOT NULL,
	CONSTRAINT pk_record PRIMARY KEY (id),
	CONSTRAINT uq_record_kind_name UNIQUE (kind, name),
	CONSTRAINT ck_record_revision CHECK (revision >= 1),
	CONSTRAINT fk_record_id FOREIGN KEY(id) REFERENCES sealed (id)
);
CREATE TABLE sync_finding (
	id BIGINT NOT NULL,
	address BYTEA NOT NULL,
	digest BYTEA NOT NULL,
	kind TEXT COLLATE "C" NOT NULL,
	day DATE NOT NULL,
	CONSTRAINT pk_sync_finding PRIMARY KEY (id),
	CONSTRAINT uq_sync_finding_address_digest_kind UNIQUE (address, digest, kind)
);
CREATE TABLE usage (
	id BIGINT NOT NULL,
	sealed_bytes BIGINT NOT NULL CHECK (sealed_bytes BETWEEN -4611686018427387904 AND 4611686018427387904),
	CONSTRAINT pk_usage PRIMARY KEY (id),
	CONSTRAINT ck_usage_rows CHECK (id BETWEEN 1 AND 16)
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
ALTER TABLE sealed ALTER COLUMN header SET STORAGE EXTERNAL, ALTER COLUMN payload SET STORAGE EXTERNAL;
INSERT INTO usage SELECT id, 0 FROM generate_series(1, 16) AS id;
ALTER TABLE attachment ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE chunk ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE deletion_queue ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE ended_mailbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE entry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger_tally ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE mailbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE mailbox_tally ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE record ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sealed ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sync_finding ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY of_mailbox ON attachment
	USING (address = decode(nullif(current_setting('steunpunt.address', true), ''), 'hex'));
CREATE POLICY of_mailbox ON ended_mailbox
	USING (address = decode(nullif(current_setting('steunpunt.address', true), ''), 'hex'));
CREATE POLICY of_mailbox ON entry
	USING (address = decode(nullif(current_setting('steunpunt.address', true), ''), 'hex'));
CREATE POLICY of_mailbox ON mailbox
	USING (address = decode(nullif(current_setting('steunpunt.address', true), ''), 'hex'));
CREATE POLICY of_mailbox ON mailbox_tally
	USING (address = decode(nullif(current_setting('steunpunt.address', true), ''), 'hex'));
CREATE POLICY of_mailbox ON outbox
	USING (address = decode(nullif(current_setting('steunpunt.address', true), ''), 'hex'));
CREATE POLICY of_mailbox ON chunk
	USING (EXISTS (SELECT FROM attachment WHERE attachment.id = chunk.attachment_row));
CREATE POLICY of_mailbox ON sealed
	USING (EXISTS (SELECT FROM entry WHERE entry.id = sealed.id)
	OR EXISTS (SELECT FROM attachment WHERE attachment.id = sealed.id)
	OR EXISTS (SELECT FROM chunk WHERE chunk.id = sealed.id)
	OR EXISTS (SELECT FROM mailbox_tally WHERE mailbox_tally.id = sealed.id));
CREATE POLICY appended ON sealed FOR INSERT WITH CHECK (true);
CREATE POLICY of_mailbox ON deletion_queue
	USING (EXISTS (SELECT FROM sealed WHERE sealed.id = deletion_queue.id));
