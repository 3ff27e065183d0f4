# The answer cache, as cache/answer_cache.py: only answers of upstreams, bounded in bytes, a segmented LRU.
# Pointers from `find` and `keep` are valid until the next `keep` or `put`.

from libc.stdlib cimport calloc, malloc

from dnsfilter.cache.answer_cache import Entry as AgedAnswer, lifetime_s, take_packed
from dnsfilter.cache.packed import AD as PACKED_AD, CD as PACKED_CD, DO as PACKED_DO, RECORD as PACKED_RECORD
from dnsfilter.wire.answer import additional_names, check_message, without_opt

cdef extern from "<sys/random.h>" nogil:
    ssize_t getrandom(void* buffer, size_t size, unsigned int flags)

cdef enum:
    BUCKET_SHARE = 256      # bytes of `max_bytes` for each bucket of the index; an entry takes 300 to 500
    ALLOCATION = 8          # bytes that the allocator adds to each allocation, rounded up to multiples of 16
    TOUCH_MS = 1000         # moving an entry writes four cache lines: at most once a second
    LARGEST_MESSAGE = 0xFFFF
    CACHE_LINE = 64
    FETCHED_LINES = 5       # the structure, its name and the start of its message
    PACKED_HEAD = 20        # RECORD of cache/packed.py

if PACKED_RECORD.size != PACKED_HEAD or (PACKED_DO, PACKED_CD, PACKED_AD) != (1, 2, 4):
    raise ImportError("the format of packed answers differs from cache/packed.py")


cdef void write_record(const Entry* entry, uint8_t* out) noexcept nogil:
    """Write the record of an entry: the fields of RECORD, on a machine with the least byte first, name and message."""
    cdef uint8_t flags = (1 if entry.do_bit else 0) | (2 if entry.cd else 0) | (4 if entry.ad else 0)
    memcpy(out, &entry.size, 4)
    memcpy(out + 4, &entry.stored_ms, 8)
    memcpy(out + 12, &entry.view, 2)
    memcpy(out + 14, &entry.qtype, 2)
    memcpy(out + 16, &entry.qclass, 2)
    out[18], out[19] = flags, entry.name_size
    memcpy(out + PACKED_HEAD, entry_name(entry), entry.name_size)
    memcpy(out + PACKED_HEAD + entry.name_size, entry_message(entry), entry.size)


@cython.final
cdef class Store:
    """`AnswerCache` in C, with the same contract: `get`, `put`, `bytes` and `len`; engines use `find` and `keep`.

    Differences that only affect eviction: entries are smaller; the index is part of `max_bytes`, but not of `bytes`; an
    entry moves in its line at most once a second.
    """

    cdef Entry** index
    cdef uint64_t mask
    cdef uint64_t[2] secret
    cdef int64_t most           # limit in bytes of all entries
    cdef int64_t stale_ms
    cdef bint prefetches
    cdef object mark            # what is withheld of an answer; None for nothing
    cdef bint marks
    cdef readonly int64_t count
    cdef Line probation
    cdef Line protected         # at most four fifths
    cdef Entry* dropped         # removed from the cache, but callers may still read them

    def __cinit__(self, max_bytes, stale_s, prefetch=False, mark=None):
        cdef int64_t buckets = 1
        while 2 * buckets * BUCKET_SHARE <= <int64_t>max_bytes:
            buckets *= 2
        self.index = <Entry**>calloc(buckets, sizeof(Entry*))
        if self.index == NULL:
            raise MemoryError("no memory for the index of the answer cache")
        if getrandom(self.secret, sizeof(self.secret), 0) != sizeof(self.secret):
            raise OSError("no randomness for the key of the answer cache")
        self.mask = buckets - 1
        self.most = max(0, max_bytes - buckets * sizeof(Entry*))
        self.stale_ms, self.prefetches = stale_s * 1000, prefetch
        self.mark, self.marks = mark, mark is not None

    def __dealloc__(self):
        free_line(self.probation.oldest)
        free_line(self.protected.oldest)
        self._free_dropped()
        free(self.index)

    def __len__(self):
        return self.count

    @property
    def bytes(self):
        """Memory of all entries in bytes."""
        return self.memory()

    cdef inline int64_t memory(self) noexcept nogil:
        return self.probation.memory + self.protected.memory

    # For engines.

    cdef uint64_t hash_of(
        self, uint16_t view, const uint8_t* name, uint16_t name_size, uint16_t qtype, bint do_bit, bint cd
    ) noexcept nogil:
        """Return the hash of a key of class IN."""
        cdef Key key = key_of(view, name, name_size, qtype, CLASS_IN, do_bit, cd)
        return self._hash(&key)

    cdef inline void prefetch(self, uint64_t hash) noexcept nogil:
        """First stage: prefetch the bucket."""
        __builtin_prefetch(&self.index[hash & self.mask])

    cdef inline void prefetch_entry(self, uint64_t hash) noexcept nogil:
        """Second stage, once the bucket is there: prefetch its first entry."""
        cdef const uint8_t* at = <const uint8_t*>self.index[hash & self.mask]
        cdef int line
        if at != NULL:
            for line in range(FETCHED_LINES):
                __builtin_prefetch(at + line * CACHE_LINE)

    cdef inline bint may_hold(self, uint64_t hash) noexcept nogil:
        """Third stage: return whether there is an entry with this hash."""
        cdef const Entry* entry = self.index[hash & self.mask]
        while entry != NULL and entry.hash != hash:
            entry = entry.next
        return entry != NULL

    cdef Entry* find(
        self,
        uint16_t view,
        const uint8_t* name,
        uint16_t name_size,
        uint16_t qtype,
        bint do_bit,
        bint cd,
        uint64_t hash,
        int64_t now_ms,
    ) noexcept nogil:
        """Return the entry of class IN, fresh or stale; NULL if there is none or it is too old to serve as stale."""
        cdef Key key = key_of(view, name, name_size, qtype, CLASS_IN, do_bit, cd)
        return self._find(&key, hash, now_ms)

    cdef bint has_other(self, const Asked* asked, uint16_t view, int64_t now_ms) noexcept nogil:
        """Return whether there is an entry for the question with the other DO bit, which `stale_answer` may serve."""
        cdef Key key = key_of(view, asked.name, asked.name_size, asked.qtype, CLASS_IN, not asked.do_bit, asked.cd)
        return self._find(&key, self._hash(&key), now_ms) != NULL

    cdef Entry* keep(
        self,
        uint16_t view,
        const uint8_t* name,
        uint16_t name_size,
        uint16_t qtype,
        bint do_bit,
        bint cd,
        uint64_t hash,
        const uint8_t* message,
        const Ordinary* found,
        bint ad,
        int64_t now_ms,
    ) noexcept nogil:
        """Cache an answer and return its entry. If it may not be cached, drop the old entry and return NULL.

        Nothing of the answer is withheld.
        """
        cdef Key key = key_of(view, name, name_size, qtype, CLASS_IN, do_bit, cd)
        cdef Entry* entry = NULL
        cdef int names = found.target_count + found.additional_count
        self._free_dropped()
        if found.lifetime_s:
            entry = self._new(&key, message, found.size, found.record_count, found.names_size + names)
        if entry != NULL:
            fill_entry(entry, found)
            date_entry(entry, found.rcode, ad, found.lifetime_s, now_ms, self.prefetches)
        self._place(&key, hash, entry)
        return entry

    # For the slow path.

    def get(self, key, int64_t now_ms):
        """Return the entry, fresh or stale; None if there is none or it is too old to serve as stale."""
        cdef Key wanted = key_from(key)
        cdef Entry* entry = self._find(&wanted, self._hash(&wanted), now_ms)
        if entry == NULL:
            return None
        message = <bytes>(<const char*>entry_message(entry))[: entry.size]
        return AgedAnswer(
            check_message(message),
            entry.stored_ms,
            entry.expires_ms,
            target_names(entry),
            bool(entry.ad),
            entry.memory,
            withheld=Withheld(entry.withheld),
        )

    def put(self, key, answer, targets, ad, int64_t now_ms, *, complete=True):
        """Cache an answer if it may be cached, as `AnswerCache.put`. Return its entry in any case."""
        cdef Key wanted = key_from(key)
        cdef Entry* entry = NULL
        cdef int64_t seconds = lifetime_s(answer, complete)
        withheld = Withheld.NONE if self.mark is None else self.mark(key, answer)
        conclusive = answer.rcode in (RCODE_NOERROR, RCODE_NXDOMAIN) and not answer.tc
        self._free_dropped()
        if seconds:
            entry = self._copied(&wanted, without_opt(answer), targets)
        if entry != NULL:
            date_entry(entry, answer.rcode, ad, seconds, now_ms, self.prefetches)
            entry.withheld = withheld
        if entry != NULL or conclusive:
            self._place(&wanted, self._hash(&wanted), entry)
        size = 0 if entry == NULL else entry.memory
        return AgedAnswer(answer, now_ms, now_ms + seconds * 1000, targets, ad, size, withheld=withheld)

    def note_hit(self, key, int64_t now_ms):
        """Count a hit of a fresh entry, as `AnswerCache.note_hit`."""
        cdef Key wanted = key_from(key)
        cdef Entry* entry = self._lookup(&wanted, self._hash(&wanted))
        return entry != NULL and note_entry_hit(entry, now_ms)

    def flush(self, bytes name not None, *, bint below):
        """Remove answers about the name, as `AnswerCache.flush`. Return how many these were."""
        cdef const uint8_t* wanted = <const uint8_t*><const char*>name
        cdef int64_t before = self.count
        self._flush(&self.probation, wanted, <int>len(name), below)
        self._flush(&self.protected, wanted, <int>len(name), below)
        self._free_dropped()
        return before - self.count

    # Copies for another worker, in the format of cache/packed.py.

    def pack(self, most_bytes, int64_t now_ms):
        """Return the answers that may still be served as records, as `AnswerCache.pack`."""
        cdef bytearray records = bytearray(min(most_bytes, self.memory()))  # an entry takes more than its record
        cdef uint8_t* out = records
        cdef uint32_t room = <uint32_t>len(records), size = 0
        cdef bint complete = self._pack(&self.protected, out, room, &size, now_ms)
        if complete:
            self._pack(&self.probation, out, room, &size, now_ms)
        del records[size:]
        return records

    cdef bint _pack(
        self, const Line* line, uint8_t* out, uint32_t room, uint32_t* size, int64_t now_ms
    ) noexcept nogil:
        """Append the records of a line, the newest first. Return whether there was room for all."""
        cdef const Entry* entry = line.newest
        cdef uint32_t needed
        while entry != NULL:
            if now_ms < entry.expires_ms + self.stale_ms:
                needed = PACKED_HEAD + entry.name_size + entry.size
                if needed > room - size[0]:
                    return False
                write_record(entry, out + size[0])
                size[0] += needed
            entry = entry.older
        return True

    def take(self, packed, int64_t now_ms):
        """Keep an answer of another cache as `take_packed` does. An ordinary one needs no Python."""
        cdef Key key = key_from(packed.key)
        cdef bytes message = packed.message
        cdef const uint8_t* wire = <const uint8_t*><const char*>message
        cdef uint32_t size = <uint32_t>len(message)
        cdef int64_t stored_ms = packed.stored_ms
        cdef Ordinary found
        if size < HEADER_BYTES or key.qclass != CLASS_IN or read_ordinary(
            wire, size, big16(wire), key.name, key.name_size, key.qtype, key.do_bit, &found
        ) != 1 or (found.has_private and self.marks):
            return take_packed(self, packed, self.stale_ms, now_ms)
        if not found.lifetime_s or stored_ms < 0 or stored_ms > now_ms:
            return False
        if now_ms >= stored_ms + <int64_t>found.lifetime_s * 1000 + self.stale_ms:
            return False
        return self.keep(
            key.view, key.name, key.name_size, key.qtype, key.do_bit, key.cd, self._hash(&key), wire, &found,
            packed.ad, stored_ms,
        ) != NULL

    cdef void _flush(self, const Line* line, const uint8_t* name, int size, bint below) noexcept nogil:
        cdef Entry* entry = line.oldest
        cdef Entry* newer
        while entry != NULL:
            newer = entry.newer
            if is_about(entry, name, size, below):
                self._drop(entry)
            entry = newer

    cdef Entry* _copied(self, const Key* key, answer, targets) except? NULL:
        """Return a new entry with a Python answer; NULL if it is too large."""
        others = sorted(additional_names(answer))
        names = b"".join([bytes((len(name),)) + name for name in (*targets, *others)])
        message, records = answer.message, answer.records
        if len(message) > LARGEST_MESSAGE:
            return NULL
        cdef Entry* entry = self._new(key, <const uint8_t*><const char*>message, len(message), len(records), len(names))
        cdef int index = 0
        if entry == NULL:
            return NULL
        entry.target_count, entry.additional_count = len(targets), len(others)
        memcpy(entry_names(entry), <const char*>names, len(names))
        for record in records:
            write_ttl(entry, index, record.ttl_offset, record.ttl)
            index += 1
        note_rotation(entry)
        return entry

    # The table and its two lines.

    cdef uint64_t _hash(self, const Key* key) noexcept nogil:
        cdef uint64_t first = (<uint64_t>key.view << 32) | (<uint64_t>key.qtype << 16) | key.qclass
        first |= (<uint64_t>key.do_bit << 48) | (<uint64_t>key.cd << 49)
        return sip_hash(self.secret, first, key.name, key.name_size)

    cdef Entry* _lookup(self, const Key* key, uint64_t hash) noexcept nogil:
        cdef Entry* entry = self.index[hash & self.mask]
        while entry != NULL and not (entry.hash == hash and is_entry_of(entry, key)):
            entry = entry.next
        return entry

    cdef Entry* _find(self, const Key* key, uint64_t hash, int64_t now_ms) noexcept nogil:
        cdef Entry* entry = self._lookup(key, hash)
        if entry == NULL:
            return NULL
        if now_ms >= entry.expires_ms + self.stale_ms:
            self._drop(entry)
            return NULL
        if not entry.protected:
            line_remove(&self.probation, entry)
            self._protect(entry, now_ms)
        elif now_ms - entry.touched_ms >= TOUCH_MS:
            line_remove(&self.protected, entry)
            self._protect(entry, now_ms)
        return entry

    cdef void _protect(self, Entry* entry, int64_t now_ms) noexcept nogil:
        """Make an entry the newest protected one. Move the oldest ones beyond four fifths back on probation."""
        entry.protected = True
        entry.touched_ms = now_ms
        line_append(&self.protected, entry)
        while self.protected.memory > self.most * 4 // 5:
            entry = self.protected.oldest
            line_remove(&self.protected, entry)
            entry.protected = False
            line_append(&self.probation, entry)

    cdef Entry* _new(
        self, const Key* key, const uint8_t* message, uint32_t size, uint32_t records, uint32_t names_size
    ) noexcept nogil:
        """Make an entry outside the cache; NULL if it is larger than an eighth of the cache, or memory is short."""
        cdef uint64_t needed = sizeof(Entry) + key.name_size + size + 2 * records + names_size
        cdef uint64_t taken = (needed + ALLOCATION + 15) & ~<uint64_t>15
        cdef Entry* entry
        if <int64_t>taken > self.most // 8:
            return NULL
        entry = <Entry*>malloc(needed)
        if entry == NULL:
            return NULL
        memset(entry, 0, sizeof(Entry))
        entry.view, entry.qtype, entry.qclass = key.view, key.qtype, key.qclass
        entry.do_bit, entry.cd = key.do_bit, key.cd
        entry.name_size = <uint8_t>key.name_size
        entry.record_count = <uint16_t>records
        entry.size, entry.names_size, entry.memory = size, names_size, <uint32_t>taken
        memcpy(entry_name(entry), key.name, key.name_size)
        memcpy(entry_message(entry), message, size)
        return entry

    cdef void _place(self, const Key* key, uint64_t hash, Entry* entry) noexcept nogil:
        """Replace the entry of the same key with `entry`, or with nothing if NULL; then make room."""
        cdef Entry* old = self._lookup(key, hash)
        cdef bint asked_for = old != NULL and old.protected
        if old != NULL:
            self._drop(old)
        if entry == NULL:
            return
        entry.hash = hash
        entry.next = self.index[hash & self.mask]
        self.index[hash & self.mask] = entry
        self.count += 1
        if asked_for:
            self._protect(entry, entry.stored_ms)
        else:
            line_append(&self.probation, entry)
        # An entry takes at most an eighth and the protected ones four fifths: the newest on probation always fits.
        while self.memory() > self.most and self.probation.oldest != NULL:
            self._drop(self.probation.oldest)
        self._free_dropped()

    cdef void _drop(self, Entry* entry) noexcept nogil:
        """Remove an entry. The next `keep` or `put` frees it, because callers may still read it."""
        cdef Entry** link = &self.index[entry.hash & self.mask]
        while link[0] != entry:
            link = &link[0].next
        link[0] = entry.next
        line_remove(&self.protected if entry.protected else &self.probation, entry)
        self.count -= 1
        entry.next = self.dropped
        self.dropped = entry

    cdef void _free_dropped(self) noexcept nogil:
        cdef Entry* entry
        while self.dropped != NULL:
            entry = self.dropped
            self.dropped = entry.next
            free(entry)
