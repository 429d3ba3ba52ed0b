-- Revisions {from} to {from} + {count} of a history of {alerts} alerts over 90 days that end now. Each alert has five.
-- Clients, endpoints and fingerprints are drawn by Zipf's law with exponent 1: the rank is the size to the power of an even
-- random number.
INSERT INTO apitap.alert_revisions
    (alert_id, revision, last_seen, first_seen, ts, sensor, fingerprint, state, severity, confidence, family, detector, rule,
     count, items, title, description, remediation, client, clients, client_count, principal, server, server_port, host,
     method, endpoint, status, incident, owasp, cwe, attack, `evidence.kind`, `evidence.part`, `evidence.path`,
     `evidence.offset`, `evidence.masked`, `evidence.value_hash`, visibility, record, seq, previous, hash, batch, ingested_at)
WITH
    number AS n, intDiv(n, 5) AS a, n % 5 AS r,
    (x -> (cityHash64(a, x) % 1000003) / 1000003) AS u,
    toUInt32(pow(200000, u(1))) AS cause,
    toUInt32(pow(2000, (cityHash64(cause, 2) % 1000003) / 1000003)) AS path,
    toUInt32(pow(5000, u(3))) AS who,
    toUInt32(pow(50, (cityHash64(path, 4) % 1000003) / 1000003)) AS place,
    reinterpretAsUUID(concat(reinterpretAsFixedString(cityHash64(a, 5)), reinterpretAsFixedString(cityHash64(a, 6)))) AS id,
    lower(hex(MD5(toString(cause)))) AS print,
    toDateTime64(now() - INTERVAL 90 DAY, 6, 'UTC') AS start,
    start + toIntervalMicrosecond(toInt64(a * (90 * 86400e6 / {alerts:UInt64}) + u(7) * 1e6)) AS first,
    first + toIntervalMicrosecond(toInt64(r * 61.7e6)) AS last,
    '10.0.' || toString(intDiv(who, 256)) || '.' || toString(who % 256) AS address,
    ['pii', 'secret', 'auth', 'enumeration', 'credential_stuffing', 'scan', 'injection', 'error_leak', 'exposure',
     'inventory'][cause % 10 + 1] AS kind,
    ['info', 'low', 'medium', 'high', 'critical'][toUInt8(pow(5.99, 1 - u(8)))] AS worst,
    'api-' || toString(place) || '.shop.example' AS name,
    '/api/v1/things/' || toString(path) || '/{id}' AS template,
    lower(hex(cityHash64(who))) AS asker,
    lower(hex(cityHash64(a, 9))) || lower(hex(cityHash64(a, 10))) AS value,
    formatDateTime(first, '%Y-%m-%dT%H:%i:%S.%fZ') AS first_text,
    formatDateTime(last, '%Y-%m-%dT%H:%i:%S.%fZ') AS last_text,
    'Whoever reads these responses has cards to pay with. PCI DSS 3.4 allows the last four digits at most. Seen in '
        || toString(r * 7 + 1) || ' exchanges with ' || toString(r * 13 + 3) || ' items, 1 client.' AS about,
    'Send the last four digits, and the whole number to nobody. Look into the logs of what lies in between.' AS remedy,
    concat('{"id":"', toString(id), '","revision":', toString(r + 1), ',"fingerprint":"', print,
        '","sensor":"edge-1","first_seen":"', first_text, '","last_seen":"', last_text, '","ts":"', last_text,
        '","state":"', if(r = 4, 'closed', 'open'), '","count":', toString(r * 7 + 1), ',"items":', toString(r * 13 + 3),
        ',"family":"', kind, '","detector":"', kind, '.made_up","rule":"response","severity":"', worst,
        '","confidence":"high","title":"Something in a response","description":"', about, '","remediation":"', remedy,
        '","client":"', address, '","clients":["', address, '"],"client_count":1,"principal":"', asker,
        '","server":"10.200.0.', toString(place), ':8080","host":"', name, '","method":"GET","endpoint":"', template,
        '","status":200,"incident":null,"owasp":"API3:2023","cwe":"CWE-359","attack":"T1530","evidence":[{"kind":"payment_card",',
        '"location":{"part":"response.content","path":"$.cards[0].number","offset":', toString(cause % 5000),
        '},"masked":"4539 **** **** ', toString(1000 + cause % 9000), '","value_hash":"', value,
        '"}],"visibility":["response_gap"]}') AS json
SELECT
    id, r + 1, last, first, last, 'edge-1', print, if(r = 4, 'closed', 'open'), worst, 'high', kind, kind || '.made_up',
    'response', r * 7 + 1, r * 13 + 3, 'Something in a response', about, remedy, toIPv6(address), [toIPv6(address)], 1, asker,
    toIPv6('10.200.0.' || toString(place)), 8080, name, 'GET', template, 200, '', 'API3:2023', 'CWE-359', 'T1530',
    ['payment_card'], ['response.content'], ['$.cards[0].number'], [toUInt64(cause % 5000)],
    ['4539 **** **** ' || toString(1000 + cause % 9000)], [value], ['response_gap'], json, n + 1,
    toFixedString(reinterpretAsString(sipHash128(n)), 32), toFixedString(reinterpretAsString(sipHash128(n + 1)), 32),
    toUUID('00000000-0000-8000-8000-000000000001'), last
FROM numbers({from:UInt64}, {count:UInt64})
