# A cached answer, for engine and cache.
#
# An entry is one allocation: the structure, the key's name, the message (from the header on, without OPT, each TTL the
# least of its RRset), the offset of each TTL (16 bits), and its names, each after a byte with its size.

from libc.stdlib cimport free

from dnsfilter.cache.answer_cache import Withheld

cdef enum:
    WITHHELD_ADDITIONAL = 1
    WITHHELD_ANSWER = 2
    MATCH_ROOM = 40         # bytes for the matches of an entry's names: four for each match, one for each set
    MATCH_BYTES = 4
    MATCH_DOMAIN = 1
    MATCH_TARGET = 2

if list(Withheld) != [0, WITHHELD_ADDITIONAL, WITHHELD_ANSWER]:
    raise ImportError("the parts of an answer that are withheld differ from cache/answer_cache.py")

cdef struct Entry:
    Entry* next             # in its bucket
    uint64_t hash
    int64_t expires_ms
    int64_t stored_ms
    int64_t ask_again_ms    # when a hit has a popular answer asked for again
    uint16_t view
    uint16_t qtype
    uint16_t qclass
    uint8_t name_size
    bint do_bit
    bint cd
    bint ad
    uint16_t rcode
    uint16_t record_count
    uint16_t rotation_first     # index of the first record of the addresses that rotate
    uint16_t rotation_count     # number of these records
    uint32_t size           # of the message
    Entry* older            # in its line
    Entry* newer
    int64_t touched_ms
    uint32_t hits           # while it is fresh
    bint protected
    uint32_t memory         # bytes, with the allocator's overhead
    uint32_t names_size
    uint16_t target_count   # the names of the targets come first
    uint16_t additional_count   # then the names of the additional section
    uint64_t generation     # of the names file that `found` comes from; 0: none
    uint8_t found_size
    uint8_t withheld        # Withheld of cache/answer_cache.py
    uint8_t[MATCH_ROOM] found

cdef struct Key:
    const uint8_t* name
    uint16_t view
    uint16_t qtype
    uint16_t qclass
    uint16_t name_size
    bint do_bit
    bint cd

# Entries in order of eviction, the newest last.
cdef struct Line:
    Entry* oldest
    Entry* newest
    int64_t memory


cdef inline void write_16(uint8_t* out, uint32_t value) noexcept nogil:
    out[0] = <uint8_t>(value >> 8)
    out[1] = <uint8_t>value


cdef inline uint32_t read_32(const uint8_t* at) noexcept nogil:
    return (<uint32_t>at[0] << 24) | (<uint32_t>at[1] << 16) | (<uint32_t>at[2] << 8) | at[3]


cdef inline void write_32(uint8_t* out, uint32_t value) noexcept nogil:
    write_16(out, value >> 16)
    write_16(out + 2, value)


cdef inline uint8_t* entry_name(const Entry* entry) noexcept nogil:
    return <uint8_t*>entry + sizeof(Entry)


cdef inline uint8_t* entry_message(const Entry* entry) noexcept nogil:
    return entry_name(entry) + entry.name_size


cdef inline uint8_t* entry_ttls(const Entry* entry) noexcept nogil:
    return entry_message(entry) + entry.size


cdef inline uint8_t* entry_names(const Entry* entry) noexcept nogil:
    return entry_ttls(entry) + 2 * entry.record_count


cdef inline uint32_t age_of(const Entry* entry, int64_t now_ms) noexcept nogil:
    """Return the age of the answer in full seconds."""
    return <uint32_t>((now_ms - entry.stored_ms) // 1000) if now_ms > entry.stored_ms else 0


cdef uint32_t next_name(const Entry* entry, uint32_t at, const uint8_t** name, int* size) noexcept nogil:
    """Read the name at offset `at` of the entry's names, the first at 0. Return the offset of the next one."""
    cdef const uint8_t* where = entry_names(entry) + at
    size[0] = where[0]
    name[0] = where + 1
    return at + 1 + where[0]


cdef bint is_about(const Entry* entry, const uint8_t* name, int size, bint below) noexcept nogil:
    """Return whether the question or a target is the name, or with `below` at or below it."""
    cdef const uint8_t* target
    cdef uint32_t at = 0
    cdef int index, target_size
    if is_name_at(entry_name(entry), entry.name_size, name, size, below):
        return True
    for index in range(entry.target_count):
        at = next_name(entry, at, &target, &target_size)
        if is_name_at(target, target_size, name, size, below):
            return True
    return False


cdef bint is_name_at(const uint8_t* own, int own_size, const uint8_t* name, int size, bint below) noexcept nogil:
    cdef int at = 0
    while below and own_size - at > size:
        at += 1 + own[at]
    return own_size - at == size and memcmp(own + at, name, size) == 0


# The matches of an entry's names: one set for question and targets together, then one for each additional name that has
# matches. To look them up again, call `forget_matches` first, and set `generation` if there was room for all.

cdef void forget_matches(Entry* entry) noexcept nogil:
    entry.generation = 0
    entry.found_size = 0


cdef bint add_matches(Entry* entry, const Matches* matches) noexcept nogil:
    """Add one set of matches. Return False if there is no room."""
    cdef uint8_t* at = entry.found + entry.found_size
    cdef int index
    if matches.count < 0 or entry.found_size + 1 + MATCH_BYTES * matches.count > MATCH_ROOM:
        return False
    at[0] = <uint8_t>matches.count
    for index in range(matches.count):
        write_16(at + 1, matches.at[index].entry)
        at[3] = matches.at[index].suffix
        at[4] = (MATCH_DOMAIN if matches.at[index].domain else 0) | (MATCH_TARGET if matches.at[index].target else 0)
        at += MATCH_BYTES
    entry.found_size += 1 + MATCH_BYTES * matches.count
    return True


cdef uint32_t read_matches(const Entry* entry, uint32_t at, Matches* out) noexcept nogil:
    """Read one set of matches, the first at 0. Return the offset of the next, which exists if below `found_size`."""
    cdef const uint8_t* where = entry.found + at
    cdef int index
    out.count = where[0]
    for index in range(out.count):
        out.at[index].entry = (<uint16_t>where[1] << 8) | where[2]
        out.at[index].suffix = where[3]
        out.at[index].domain = where[4] & MATCH_DOMAIN != 0
        out.at[index].target = where[4] & MATCH_TARGET != 0
        where += MATCH_BYTES
    return at + 1 + MATCH_BYTES * out.count


cdef inline Key key_of(
    uint16_t view, const uint8_t* name, uint16_t name_size, uint16_t qtype, uint16_t qclass, bint do_bit, bint cd
) noexcept nogil:
    cdef Key key
    key.name, key.name_size = name, name_size
    key.view, key.qtype, key.qclass = view, qtype, qclass
    key.do_bit, key.cd = do_bit != 0, cd != 0
    return key


cdef Key key_from(key) except *:
    """Convert a CacheKey. The Key points to its name, which must outlive the Key."""
    name = key.name
    if len(name) > MOST_NAME:
        raise ValueError(f"cache key has a name of {len(name)} bytes: the limit is 255")
    return key_of(key.view, <const uint8_t*><const char*>name, len(name), key.qtype, key.qclass, key.do, key.cd)


cdef inline bint is_entry_of(const Entry* entry, const Key* key) noexcept nogil:
    return (
        entry.name_size == key.name_size
        and entry.view == key.view
        and entry.qtype == key.qtype
        and entry.qclass == key.qclass
        and entry.do_bit == key.do_bit
        and entry.cd == key.cd
        and memcmp(entry_name(entry), key.name, key.name_size) == 0
    )


cdef void line_append(Line* line, Entry* entry) noexcept nogil:
    entry.older, entry.newer = line.newest, NULL
    if line.newest == NULL:
        line.oldest = entry
    else:
        line.newest.newer = entry
    line.newest = entry
    line.memory += entry.memory


cdef void line_remove(Line* line, Entry* entry) noexcept nogil:
    if entry.older == NULL:
        line.oldest = entry.newer
    else:
        entry.older.newer = entry.newer
    if entry.newer == NULL:
        line.newest = entry.older
    else:
        entry.newer.older = entry.older
    line.memory -= entry.memory


cdef void free_line(Entry* entry) noexcept nogil:
    cdef Entry* newer
    while entry != NULL:
        newer = entry.newer
        free(entry)
        entry = newer


cdef void date_entry(
    Entry* entry, uint32_t rcode, bint ad, int64_t lifetime_s, int64_t now_ms, bint prefetch
) noexcept nogil:
    entry.rcode = <uint16_t>rcode
    entry.ad = ad != 0
    entry.stored_ms = now_ms
    entry.expires_ms = now_ms + lifetime_s * 1000
    entry.ask_again_ms = now_ms + lifetime_s * MS_UNTIL_PREFETCH if prefetch else INT64_MAX


cdef inline bint note_entry_hit(Entry* entry, int64_t now_ms) noexcept nogil:
    """Count a hit of a fresh entry. Return whether to ask for it again, as `AnswerCache.note_hit`."""
    entry.hits += 1
    if now_ms < entry.ask_again_ms or entry.hits < POPULAR_HITS:
        return False
    entry.ask_again_ms = INT64_MAX
    return True


cdef inline void write_ttl(Entry* entry, uint32_t index, uint32_t ttl_at, uint32_t ttl) noexcept nogil:
    """Store the offset of a record's TTL, and write the TTL there: an RRset has one TTL (RFC 2181 section 5.2)."""
    cdef uint16_t where = <uint16_t>ttl_at
    memcpy(entry_ttls(entry) + 2 * index, &where, 2)
    write_32(entry_message(entry) + where, ttl)


cdef void note_rotation(Entry* entry) noexcept nogil:
    """Find the addresses that rotate, as _first_addresses of wire/reply.py. The TTL offsets must be stored."""
    cdef const uint8_t* message = entry_message(entry)
    cdef uint16_t at
    cdef int index, answers = big16(message + 6)
    if entry.qclass != CLASS_IN or (entry.qtype != RR_A and entry.qtype != RR_AAAA):
        return
    for index in range(min(answers, <int>entry.record_count)):
        memcpy(&at, entry_ttls(entry) + 2 * index, 2)
        if big16(message + at - 4) == entry.qtype:
            if not entry.rotation_count:
                entry.rotation_first = <uint16_t>index
            entry.rotation_count += 1
        elif entry.rotation_count:
            return


cdef bint has_signed_denial(const Entry* entry) noexcept nogil:
    """Return whether signatures cover the authority section, as engine/slow_path/local.py. TTLs must be stored."""
    cdef const uint8_t* message = entry_message(entry)
    cdef uint16_t at
    cdef int index, answers = big16(message + 6)
    for index in range(answers, answers + <int>big16(message + 8)):
        memcpy(&at, entry_ttls(entry) + 2 * index, 2)
        if big16(message + at - 4) == RR_RRSIG:
            return True
    return False


cdef void fill_entry(Entry* entry, const Ordinary* found) noexcept nogil:
    """Write counts, TTLs and names of an answer into its entry, which already holds the message."""
    cdef uint8_t* message = entry_message(entry)
    cdef uint8_t* names = entry_names(entry)
    cdef uint32_t at = 0
    cdef uint32_t size
    cdef int index
    for index in range(3):
        write_16(message + 6 + 2 * index, found.counts[index])
    for index in range(found.record_count):
        write_ttl(entry, index, found.records[index].ttl_at, found.records[index].ttl)
    note_rotation(entry)
    entry.target_count = found.target_count
    entry.additional_count = found.additional_count
    for index in range(found.target_count + found.additional_count):
        size = bytes_of_name(found.names + at, found.names_size - at)
        names[0] = <uint8_t>size
        memcpy(names + 1, found.names + at, size)
        names += size + 1
        at += size


cdef uint32_t bytes_of_name(const uint8_t* name, uint32_t room) noexcept nogil:
    """Return the size of an uncompressed name with its root, at most `room`."""
    cdef uint32_t size = 0
    while size < room and name[size] != 0:
        size += name[size] + 1
    return size + 1 if size < room else room


cdef tuple target_names(const Entry* entry):
    cdef const uint8_t* name
    cdef int size
    cdef uint32_t at = 0
    cdef int index
    found = []
    for index in range(entry.target_count):
        at = next_name(entry, at, &name, &size)
        found.append(<bytes>(<const char*>name)[:size])
    return tuple(found)
