-- One row per (stage, thing): where the thing stands in the stage.
CREATE OR REPLACE VIEW outcome AS
SELECT
    payload ->> '$.stage' AS stage,
    payload ->> '$.key' AS key,
    payload ->> '$.unit' AS unit,
    payload ->> '$.category' AS category,
    payload ->> '$.outcome' AS outcome,
    payload ->> '$.reason' AS reason,
    payload ->> '$.detail' AS detail,
    recorded_at,
    payload ->> '$.inputs' AS inputs
FROM current_event
WHERE kind = 'outcome' AND payload ->> '$.outcome' <> 'gone';
