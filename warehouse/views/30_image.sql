-- One row per picture that was fetched, decoded and lawfully kept.
CREATE OR REPLACE VIEW image AS
SELECT
    key AS image_id,
    payload ->> '$.subject_id' AS subject_id,
    payload ->> '$.sha256' AS sha256,
    payload ->> '$.derivative_sha256' AS derivative_sha256,
    CAST(payload ->> '$.width' AS INTEGER) AS width,
    CAST(payload ->> '$.height' AS INTEGER) AS height,
    payload ->> '$.licence' AS licence,
    payload ->> '$.author' AS author,
    payload ->> '$.origin' AS origin,
    payload ->> '$.source_page' AS source_page
FROM current_event
WHERE kind = 'image';
