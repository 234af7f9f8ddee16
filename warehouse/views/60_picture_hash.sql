-- One row per picture that has features: the hashes of the whole picture as 64-bit numbers.
CREATE OR REPLACE VIEW picture_hash AS
SELECT
    key AS image_id,
    CAST('0x' || (payload ->> '$.phash[0]') AS UBIGINT) AS phash,
    CAST('0x' || (payload ->> '$.dhash[0]') AS UBIGINT) AS dhash,
    CAST(payload ->> '$.informative' AS BOOLEAN) AS informative,
    payload ->> '$.algorithm' AS algorithm
FROM current_event
WHERE kind = 'features';
