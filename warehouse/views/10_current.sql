-- One row per (kind, key): the newest event about it.
CREATE OR REPLACE VIEW current_event AS
SELECT kind, key, recorded_at, payload, batch
FROM event
QUALIFY row_number() OVER (PARTITION BY kind, key ORDER BY batch DESC, position DESC) = 1;
