# The ordinary query, from octets to octets: class, cache, names, judgement, reply. What is not ordinary is handed over
# before anything of it has been counted.

from dnsfilter.config.model import Unregistered
from dnsfilter.policy.model import Reply as BanReply
from dnsfilter.snapshot.layout import REPLIES
from dnsfilter.telemetry.metrics import Bypass, Limit, Outcome, Transport
from dnsfilter.telemetry.slots import BYPASS, CACHE_HITS, LIMITED, POLICY_KINDS, QUERY, PolicyKind
from dnsfilter.engine.local import OURS
from dnsfilter.upstream.special import TOP_LABELS

cdef enum:
    HAND_OVER = 0           # nothing of it is counted, not even against its limit
    ADMITTED = -1           # to be handed over too, but it has paid
    MISS = -2               # an upstream has to be asked
    DROPPED = -3
    LEAST_SLOTS = 2048      # of a map, of which at most a quarter are taken
    CONCERNED_TTL = 60      # refusals.CONCERNED_TTL_S
    TYPE_DS = 43
    EDE_PROHIBITED = 18

# How an entry came to serve, and what that counts as.
cdef enum:
    KEPT = 0
    DELIVERED = 4

ANSWERED = (Outcome.CACHED, Outcome.BLOCKED, Outcome.LIMITED, Outcome.UNREGISTERED, Outcome.FORWARDED)

cdef struct Where:
    uint64_t hash           # of the cache's key
    uint16_t view
    int range_class


@cython.final
cdef class NameMap:
    """Few folded wire names, each with a number of at least 0."""

    cdef uint8_t* names
    cdef uint32_t used
    cdef uint32_t* places           # offset in `names` and one more; 0 is free
    cdef uint32_t mask
    cdef readonly int count

    def __cinit__(self, dict numbers):
        cdef uint64_t slots = LEAST_SLOTS
        if len(numbers) > 0xFFFF:
            raise ValueError(f"map names: {len(numbers)} are more than {0xFFFF}")
        while slots < 4 * <uint64_t>len(numbers):
            slots *= 2
        self.mask = <uint32_t>(slots - 1)
        self.names = <uint8_t*>malloc(sum([len(name) + 3 for name in numbers]) + 1)
        self.places = <uint32_t*>calloc(slots, sizeof(uint32_t))
        if self.names == NULL or self.places == NULL:
            raise MemoryError
        self.used = 0
        self.count = 0
        for name, number in numbers.items():
            self.add(name, len(name), number)

    def __dealloc__(self):
        free(self.names)
        free(self.places)

    cdef void add(self, const uint8_t* name, uint16_t size, uint16_t number) noexcept nogil:
        cdef uint32_t place = self.slot(name, size)
        self.places[place] = self.used + 1
        self.names[self.used] = <uint8_t>size
        memcpy(self.names + self.used + 1, &number, 2)
        memcpy(self.names + self.used + 3, name, size)
        self.used += size + 3
        self.count += 1

    cdef uint32_t slot(self, const uint8_t* name, uint16_t size) noexcept nogil:
        """Where the name is, or would be (FNV-1a: these names come from the configuration, not from strangers)."""
        cdef uint32_t mixed = 2166136261
        cdef uint16_t i
        cdef const uint8_t* held
        for i in range(size):
            mixed = (mixed ^ name[i]) * 16777619
        mixed &= self.mask
        while self.places[mixed]:
            held = self.names + self.places[mixed] - 1
            if held[0] == <uint8_t>size and memcmp(held + 3, name, size) == 0:
                break
            mixed = (mixed + 1) & self.mask
        return mixed

    cdef int get(self, const uint8_t* name, uint16_t size) noexcept nogil:
        """The name's number, -1 for none."""
        cdef uint32_t place = self.places[self.slot(name, size)]
        cdef uint16_t number
        if not place:
            return -1
        memcpy(&number, self.names + place, 2)
        return number


@cython.final
cdef class Answering:
    """Decides plain queries by one snapshot and one store, and counts what it answers."""

    cdef Table table
    cdef Store store
    cdef Buckets buckets
    cdef NameMap tops               # last labels below which some name is special
    cdef NameMap specials           # what may be answered here: apexes of zones, and single names
    cdef NameMap zones              # conditional zones, with the numbers of their views
    cdef object names_digest
    cdef uint64_t generation        # of the names file in force; 0: none yet
    cdef uint64_t[::1] slots
    cdef uint64_t[::1] policy
    cdef uint8_t[256] single_sizes  # 1 for the sizes that single names have
    cdef int[2][5] outcomes         # by transport, in the order of the constructor
    cdef int cache_hits, limited_client, limited_stranger, bypass
    cdef bint refuses_strangers
    cdef int pair_stride, refused, monitored, exempted
    cdef int refused_reply
    cdef Judged judged
    cdef Matches found

    def __init__(self, Store store, zones, clients, slots, limiter):
        self.store = store
        self.buckets = Buckets(limiter)
        self.slots = slots
        self.tops = NameMap(dict.fromkeys(TOP_LABELS, 0))
        self.specials = NameMap(dict.fromkeys(OURS, 0))
        self.zones = NameMap(zones.numbers())
        memset(self.single_sizes, 0, sizeof(self.single_sizes))
        for name in OURS:
            self.single_sizes[len(name)] = 1
        for row, transport in enumerate((Transport.UDP, Transport.TCP)):
            for column, outcome in enumerate(ANSWERED):
                self.outcomes[row][column] = QUERY[transport][outcome]
        self.cache_hits, self.bypass = CACHE_HITS, BYPASS[Bypass.ENCRYPTED_DNS]
        self.limited_client, self.limited_stranger = LIMITED[Limit.CLIENT], LIMITED[Limit.UNREGISTERED]
        self.refuses_strangers = clients.unregistered is Unregistered.REFUSE
        self.pair_stride, self.refused = POLICY_KINDS, PolicyKind.REFUSED
        self.monitored, self.exempted = PolicyKind.MONITORED, PolicyKind.EXEMPTED
        self.refused_reply = REPLIES.index(BanReply.REFUSED)

    def swap(self, Table table, policy):
        """Decide by that snapshot from now on; `policy` are its counters."""
        self.table, self.policy = table, policy
        if table.snapshot.names_digest != self.names_digest:
            self.names_digest = table.snapshot.names_digest
            self.generation += 1

    def release(self):
        """Let go of the counters' memory; nothing is answered afterwards."""
        self.slots = self.policy = None

    cdef int answer(
        self, const Asked* asked, const uint8_t* client, int client_size, int transport, int64_t at, int64_t now_ms,
        uint32_t limit, uint8_t* out, Where* where,
    ) noexcept nogil:
        """Octets of the reply in `out`, or one of the numbers below 1; MISS with `where` filled."""
        cdef Entry* entry
        cdef Charge charge
        where.range_class = self.table.find(client, client_size)
        if where.range_class < 0:
            return self.answer_stranger(asked, client, client_size, transport, now_ms, limit, out)
        self.buckets.charge_of(client, client_size, True, &charge)
        if self.buckets.admit(&charge, now_ms) != ADMIT_PASS:
            self.slots[self.outcomes[transport][2]] += 1
            self.slots[self.limited_client] += 1
            return DROPPED
        if self.is_special(asked) or (self.zones.count and asked.qtype == TYPE_DS):
            return ADMITTED
        where.view = self.view_of(asked)
        where.hash = self.store.hash_of(
            where.view, asked.name, asked.name_size, asked.qtype, asked.do_bit, asked.cd
        )
        entry = self.store.find(
            where.view, asked.name, asked.name_size, asked.qtype, asked.do_bit, asked.cd, where.hash, now_ms
        )
        if entry != NULL and now_ms < entry.expires_ms:
            return self.serve(asked, entry, where.range_class, transport, KEPT, at, now_ms, limit, out)
        self.table.match(asked, &self.found)
        if self.found.count < 0:
            return ADMITTED
        if self.found.count:
            self.table.judge(where.range_class, &self.found, True, at, &self.judged)
            if self.judged.verdict < 0:
                return ADMITTED
            if self.judged.verdict == VERDICT_REFUSE:
                return self.refuse(asked, transport, limit, out)
        return MISS

    cdef int answer_stranger(
        self, const Asked* asked, const uint8_t* client, int client_size, int transport, int64_t now_ms,
        uint32_t limit, uint8_t* out,
    ) noexcept nogil:
        """The refusal to a client of no range. What came by UDP may be forged, and is its network's."""
        cdef Charge charge
        cdef int admission
        cdef uint32_t size
        if not self.refuses_strangers:
            return HAND_OVER
        self.buckets.charge_of(client, client_size, transport != 0, &charge)
        admission = self.buckets.admit(&charge, now_ms)
        if admission == ADMIT_PASS:
            self.slots[self.outcomes[transport][3]] += 1
            return <int>write_empty(asked, RCODE_REFUSED, EDE_PROHIBITED, NULL, 0, limit, out)
        self.slots[self.outcomes[transport][2]] += 1
        self.slots[self.limited_client if transport else self.limited_stranger] += 1
        if admission == ADMIT_DROP:
            return DROPPED
        size = write_empty(asked, RCODE_NOERROR, -1, NULL, 0, limit, out)
        out[2] |= 0x02  # TC: whoever is not forged comes again by TCP
        return <int>size

    cdef int serve(
        self, const Asked* asked, Entry* entry, int range_class, int transport, int how, int64_t at, int64_t now_ms,
        uint32_t limit, uint8_t* out,
    ) noexcept nogil:
        """The reply from a fresh entry. KEPT: policy on the question first, then on all that the answer leads to."""
        cdef int size
        if entry.generation != self.generation and not self.look_up(asked, entry):
            return ADMITTED
        if read_matches(entry, 0, &self.found) < entry.found_size:
            return ADMITTED  # what a server told of unasked belongs to something
        if self.found.count:
            if how == KEPT:
                self.table.judge(range_class, &self.found, True, at, &self.judged)
                if self.judged.verdict == VERDICT_REFUSE:
                    return self.refuse(asked, transport, limit, out)
            self.table.judge(range_class, &self.found, False, at, &self.judged)
            if self.judged.verdict < 0:
                return ADMITTED
            if self.judged.verdict == VERDICT_REFUSE:
                size = self.refuse(asked, transport, limit, out)
                if size > 0 and how == KEPT:
                    self.slots[self.cache_hits] += 1
                return size
        size = <int>write_relayed(
            asked, entry, age_of(entry, now_ms), self.cap_s(range_class, at), entry.ad and (asked.ad or asked.do_bit),
            limit, out,
        )
        if size == 0:
            return ADMITTED
        if self.found.count:
            self.note()
        if how == KEPT:
            self.slots[self.cache_hits] += 1
        self.slots[self.outcomes[transport][how]] += 1
        return size

    cdef bint look_up(self, const Asked* asked, Entry* entry) noexcept nogil:
        """Note in the entry what its names belong to; False where there is no room for that."""
        cdef const uint8_t* name
        cdef int i, size
        cdef uint32_t at = 0
        forget_matches(entry)
        self.table.match(asked, &self.found)
        for i in range(entry.target_count):
            at = next_name(entry, at, &name, &size)
            if self.found.count >= 0:
                self.table.add_target(name, size, &self.found)
        if not add_matches(entry, &self.found):
            return False
        for i in range(entry.beside_count):
            at = next_name(entry, at, &name, &size)
            self.table.match_one(name, size, &self.found)
            if self.found.count and not add_matches(entry, &self.found):
                return False
        entry.generation = self.generation
        return True

    cdef int64_t cap_s(self, int range_class, int64_t at) noexcept nogil:
        """The longest TTL that the client may see of what was found, -1 without a bound; as refusals.ttl_cap_s."""
        cdef int64_t change
        if not self.found.count or not self.table.concerned(&self.found):
            return -1
        change = self.table.next_change(range_class, &self.found, at)
        if change - at > CONCERNED_TTL:
            return CONCERNED_TTL
        return change - at if change - at > 1 else 1

    cdef int refuse(self, const Asked* asked, int transport, uint32_t limit, uint8_t* out) noexcept nogil:
        """The reply of the winning ban, where that is REFUSED."""
        cdef uint16_t size = 0
        cdef uint16_t ede = 0
        cdef const uint8_t* text = self.table.text_of(self.judged.rule, &size, &ede)
        if text == NULL or self.table.reply_of(self.judged.rule) != self.refused_reply:
            return ADMITTED
        self.note()
        self.slots[self.outcomes[transport][1]] += 1
        return <int>write_empty(asked, RCODE_REFUSED, ede, text, size, limit, out)

    cdef void note(self) noexcept nogil:
        """Count what the bans made of the query."""
        cdef int i
        if self.judged.refused >= 0:
            self.policy[self.judged.refused * self.pair_stride + self.refused] += 1
        for i in range(self.judged.monitored_count):
            self.policy[self.judged.monitored[i] * self.pair_stride + self.monitored] += 1
        for i in range(self.judged.exempted_count):
            self.policy[self.judged.exempted[i] * self.pair_stride + self.exempted] += 1
        if self.judged.verdict != VERDICT_PASS and self.table.is_bypass(self.judged.rule):
            self.slots[self.bypass] += 1

    cdef bint is_special(self, const Asked* asked) noexcept nogil:
        """Whether the name may be answered without an upstream, so that the reference has to look."""
        cdef int i
        cdef uint16_t start
        if not asked.labels:
            return False
        if self.single_sizes[asked.name_size] and self.specials.get(asked.name, asked.name_size) >= 0:
            return True
        start = asked.starts[asked.labels - 1]
        if self.tops.get(asked.name + start, asked.name_size - start) < 0:
            return False
        for i in range(asked.labels):
            start = asked.starts[i]
            if self.specials.get(asked.name + start, asked.name_size - start) >= 0:
                return True
        return False

    cdef uint16_t view_of(self, const Asked* asked) noexcept nogil:
        """The number of the view that serves the name: of the longest conditional zone that holds it, or 0."""
        cdef int i, view
        cdef uint16_t start
        if not self.zones.count:
            return 0
        for i in range(asked.labels + 1):
            start = asked.starts[i] if i < asked.labels else asked.name_size - 1
            view = self.zones.get(asked.name + start, asked.name_size - start)
            if view >= 0:
                return <uint16_t>view
        return 0

