-- One row per event: something that was learnt about one thing at one moment. Append only.
CREATE TABLE event (
    batch INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    recorded_at VARCHAR NOT NULL,
    payload JSON NOT NULL,
    PRIMARY KEY (batch, position)
);

-- One row per batch file that was read in.
CREATE TABLE ingested (
    batch INTEGER PRIMARY KEY,
    file VARCHAR NOT NULL
);
