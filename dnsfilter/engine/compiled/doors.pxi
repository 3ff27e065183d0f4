# Doors from Python to what engines use of replies and cache, so that tests can hold them to what they mirror.

cdef void asked_as(object query, uint8_t* message, Asked* out) except *:
    """A plain query of Python's; `message` has room for its header and question."""
    wire, name = query.question.wire, query.question.name
    if len(wire) != len(name) + 4 or len(name) > MOST_NAME:
        raise ValueError("take query: its question is not one")
    memset(out, 0, sizeof(Asked))
    memcpy(message + HEADER_OCTETS, <const uint8_t*><const char*>wire, len(wire))
    memcpy(out.name, <const uint8_t*><const char*>name, len(name))
    out.message = message
    out.size = HEADER_OCTETS + len(wire)
    out.id = query.id
    out.qtype = query.question.qtype
    out.qclass = query.question.qclass
    out.name_size = len(name)
    out.rd = query.rd
    out.cd = query.cd
    out.ad = query.ad
    out.edns = query.edns is not None
    out.do_bit = query.do
    out.payload = query.edns.payload if out.edns else 0


def empty_reply(query, int rcode, int ede, bytes text, uint32_t limit):
    """What `write_empty` gives, and the limit over UDP."""
    cdef Asked asked
    cdef uint8_t[512] message
    cdef uint8_t[2048] out
    asked_as(query, message, &asked)
    cdef uint32_t size = write_empty(&asked, rcode, ede, <const uint8_t*><const char*>text, len(text), limit, out)
    return out[:size], udp_limit_of(&asked)


def relayed_reply(
    Store store, key, query, int64_t now_ms, int64_t cap_s, bint ad, uint32_t limit, bint stale=False
):
    """What `write_relayed` gives of the entry that `find` gives; empty where it does not fit, None without entry."""
    cdef Asked asked
    cdef uint8_t[512] message
    cdef Key wanted = key_from(key)
    cdef uint64_t hash = store.hash_of(key.view, wanted.name, wanted.name_size, key.qtype, key.do, key.cd)
    store.prefetch(hash)
    store.prefetch_entry(hash)
    cdef Entry* entry = store.find(
        key.view, wanted.name, wanted.name_size, key.qtype, key.do, key.cd, hash, now_ms
    )
    if entry == NULL:
        return None
    asked_as(query, message, &asked)
    out = bytearray(limit)
    cdef uint8_t* at = out
    cdef uint32_t size = write_relayed(&asked, entry, age_of(entry, now_ms), cap_s, ad, stale, limit, at)
    return bytes(out[:size])


def put_ordinary(Store store, key, bytes message, answer, targets, bint ad, int64_t lifetime, int64_t now_ms):
    """What `keep` does with `message`, of which `answer` is what is to be kept; whether it is."""
    cdef Ordinary found
    cdef Key wanted = key_from(key)
    others = sorted(beside(answer))
    names = b"".join((*targets, *others))
    if len(answer.records) > MOST_RECORDS or len(names) > <Py_ssize_t>sizeof(found.names) or len(answer.message) > len(message):
        raise ValueError("put ordinary: it is not")
    memset(&found, 0, sizeof(found))
    found.size, found.rcode, found.lifetime_s = len(answer.message), answer.rcode, lifetime
    found.record_count = len(answer.records)
    for index, record in enumerate(answer.records):
        found.counts[<int>record.section] += 1
        found.records[<int>index].ttl_at = record.ttl_offset
        found.records[<int>index].ttl = record.ttl
    found.target_count, found.beside_count, found.names_size = len(targets), len(others), len(names)
    memcpy(found.names, <const char*>names, len(names))
    return store.keep(
        key.view, wanted.name, wanted.name_size, key.qtype, key.do, key.cd, store._hash(&wanted), message, &found, ad,
        now_ms,
    ) != NULL


def names_of(Store store, key, int64_t now_ms):
    """What the entry's answer leads to, and what it tells of besides; None without entry."""
    cdef Key wanted = key_from(key)
    cdef Entry* entry = store._find(&wanted, store._hash(&wanted), now_ms)
    cdef const uint8_t* name
    cdef int size
    cdef uint32_t at = 0
    if entry == NULL:
        return None
    names = []
    while at < entry.names_size:
        at = next_name(entry, at, &name, &size)
        names.append(<bytes>(<const char*>name)[:size])
    return tuple(names[: entry.target_count]), tuple(names[entry.target_count :])


def noted_matches(Store store, key, int64_t now_ms, sets):
    """Note in an entry what its names belong to, as (entry, suffix, domain, target), and read it; None without room."""
    cdef Key wanted = key_from(key)
    cdef Entry* entry = store._find(&wanted, store._hash(&wanted), now_ms)
    cdef Matches matches
    cdef uint32_t at = 0
    forget_matches(entry)
    for found in sets:
        matches.count = min(len(found), MOST_MATCHES)
        for index, (number, suffix, domain, target) in enumerate(found[:MOST_MATCHES]):
            matches.at[<int>index] = Match(number, suffix, domain, target)
        if not add_matches(entry, &matches):
            return None
    read = []
    while at < entry.found_size:
        at = read_matches(entry, at, &matches)
        read.append([
            (matches.at[i].entry, matches.at[i].suffix, bool(matches.at[i].domain), bool(matches.at[i].target))
            for i in range(matches.count)
        ])
    return read


def sip_hashed(bytes secret, uint64_t first, bytes octets):
    """What `sip_hash` gives under a key of sixteen octets."""
    cdef uint64_t[2] key
    if len(secret) != sizeof(key):
        raise ValueError("hash: the key has not sixteen octets")
    memcpy(key, <const char*>secret, sizeof(key))
    return sip_hash(key, first, <const uint8_t*><const char*>octets, len(octets))
