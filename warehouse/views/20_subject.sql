-- One row per subject.
CREATE OR REPLACE VIEW subject AS
SELECT
    key AS subject_id,
    payload ->> '$.name' AS name,
    payload ->> '$.edit_type' AS edit_type,
    payload ->> '$.category' AS category,
    payload ->> '$.fine_type' AS fine_type,
    payload ->> '$.text_source.licence' AS text_licence
FROM current_event
WHERE kind = 'subject';
