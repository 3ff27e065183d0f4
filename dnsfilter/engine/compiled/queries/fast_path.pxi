# The steps of the main loop for one query: look ahead, limits, local names, policy, replies. A query that needs more is
# handed over to the slow path; until then only its charge against the limits is counted.

from dnsfilter.config.node_config import MAX_LEARNING_S, Unregistered
from dnsfilter.engine.tallies import RESPONSE_SLOTS, TYPE_SLOTS
from dnsfilter.policy.model import Reply as BanReply
from dnsfilter.snapshot.layout import REPLIES
from dnsfilter.telemetry.metrics import Bypass, Limit, Outcome, Transport

TRANSPORTS = tuple(Transport)
from dnsfilter.telemetry.policy_words import BYPASS_KIND
from dnsfilter.telemetry.slots import CACHE_HITS, LIMITED, QUERY, REBINDING_BLOCKED

cdef enum:
    HAND_OVER = 0           # the slow path decides; only the charge against the limits is counted
    MISS = -1               # an upstream must be asked
    DROPPED = -2
    WAITS = -3              # for the answer of an upstream
    EDE_PROHIBITED = 18
    EDE_NOT_AUTHORITATIVE = 20
    LAST_TYPE = 256         # engine/tallies.py
    LAST_RCODE = 16

# The outcome that a query counts as: indexes of COUNTED_AS. The first two also say how an entry is served.
cdef enum:
    KEPT = 0
    DELIVERED = 1
    AS_REFUSED = 2
    AS_LIMITED = 3
    AS_UNREGISTERED = 4
    AS_DROPPED = 5
    AS_MALFORMED = 6
    AS_UNSUPPORTED = 7
    AS_NOT_RECURSIVE = 8
    AS_LOCAL = 9
    AS_STALE = 10           # also a way to serve an entry
    AS_FAILED = 11

COUNTED_AS = (
    Outcome.CACHED,
    Outcome.FORWARDED,
    Outcome.REFUSED,
    Outcome.LIMITED,
    Outcome.UNREGISTERED,
    Outcome.DROPPED,
    Outcome.MALFORMED,
    Outcome.UNSUPPORTED,
    Outcome.NOT_RECURSIVE,
    Outcome.LOCAL,
    Outcome.STALE,
    Outcome.FAILED,
)

# Result of `look_ahead` for a query. Without `may_ask` only the first two are valid.
cdef struct LookAhead:
    int range_class
    uint32_t counted        # number of the range that counts the query
    bint may_ask
    int ours                # result of `FastPath.ours`
    uint16_t view
    uint64_t hash           # of the cache's key


@cython.final
cdef class FastPath:
    """Decides plain queries by one snapshot and one store, and counts its answers."""

    cdef Table table
    cdef Store store
    cdef Buckets buckets
    cdef CookieMaker cookies
    cdef UnregisteredNetworks unregistered
    cdef RangeWords ranges
    cdef NameRoutes routes
    cdef bint takes_updates         # there are conditional zones
    cdef Prefixes forwarders
    cdef object names_digest
    cdef uint64_t generation        # of the names file in force; 0: none yet
    cdef uint64_t[::1] slots
    cdef JudgementCounts judged_counts
    cdef AllowedClients allowed     # unregistered clients that may ask
    cdef Records records
    cdef Failures failures
    cdef int[4][12] outcomes        # by transport, in the order of COUNTED_AS
    cdef int[257] types             # TYPE_SLOTS of engine/tallies.py
    cdef int[17] responses          # RESPONSE_SLOTS
    cdef bint due                   # the last hit was of an answer to ask for again
    cdef int cache_hits, rebinding_blocked, limited_client, limited_unregistered, limited_waiting
    cdef int bypass_ddr, bypass_canary, bypass_relay    # words of these kinds after the first
    cdef int refused_reply, nxdomain_reply, address_reply
    cdef uint64_t[::1] clients_left     # `RefusedClients.left`
    cdef Judged judged
    cdef Matches found
    cdef Matches left               # those of `found` that no allowed name frees, if `frees`
    cdef bint frees
    cdef Entry* judged_entry        # whose targets were judged too; NULL for none
    cdef int64_t allowed_change     # when an allowed name that covers a name of `found` next starts or ends

    def __init__(
        self, Store store, zones, clients, slots, limiter, unregistered, refused_clients, recent_names,
        pending_names, Failures failures not None, CookieMaker cookies not None,
    ):
        self.store, self.failures, self.cookies = store, failures, cookies
        self.clients_left = refused_clients.left
        self.judged_counts = JudgementCounts(slots, recent_names, pending_names)
        self.buckets = Buckets(limiter)
        self.unregistered = UnregisteredNetworks(unregistered)
        self.slots = slots
        self.routes = NameRoutes(zones)
        self.takes_updates, self.forwarders = bool(zones.numbers()), Prefixes(clients.trusted_forwarders)
        for row, transport in enumerate(TRANSPORTS):
            for column, outcome in enumerate(COUNTED_AS):
                self.outcomes[row][column] = QUERY[transport][outcome]
        for row, slot in enumerate(TYPE_SLOTS):
            self.types[row] = slot
        for row, slot in enumerate(RESPONSE_SLOTS):
            self.responses[row] = slot
        self.bypass_ddr, self.bypass_canary = BYPASS_KIND[Bypass.DDR], BYPASS_KIND[Bypass.CANARY]
        self.bypass_relay = BYPASS_KIND[Bypass.RELAY]
        self.cache_hits, self.rebinding_blocked = CACHE_HITS, REBINDING_BLOCKED
        self.limited_waiting = LIMITED[Limit.WAITING]
        self.limited_client, self.limited_unregistered = LIMITED[Limit.CLIENT], LIMITED[Limit.UNREGISTERED]
        self.allowed = AllowedClients(clients)
        self.records = Records()
        self.refused_reply = REPLIES.index(BanReply.REFUSED)
        self.nxdomain_reply, self.address_reply = REPLIES.index(BanReply.NXDOMAIN), REPLIES.index(BanReply.ADDRESS)

    def swap(self, Table table, policy, range_counts):
        """Decide by the snapshot of `table` from now on. `policy` and `range_counts` hold its counters."""
        self.table, self.ranges = table, RangeWords(range_counts)
        self.judged_counts.swap(table, policy)
        if table.snapshot.names_digest != self.names_digest:
            self.names_digest = table.snapshot.names_digest
            self.generation += 1

    def release(self):
        """Release the memory of the counters. Answer nothing afterwards."""
        self.slots = self.ranges = self.judged_counts = None

    cdef inline bint may_ask(self, int range_class, const uint8_t* client, int size, int64_t at) noexcept nogil:
        """Return whether the client is registered or allowed by configuration, or all authorities are suspended."""
        return range_class >= 0 or self.allowed.hold(client, size, at) or self.table.suspends_all(at)

    cdef bint look_ahead(
        self, const Asked* asked, const uint8_t* client, int client_size, int64_t at, LookAhead* ahead
    ) noexcept nogil:
        """Fill `ahead`, which depends only on the snapshot and the instant. Return whether the cache comes next."""
        ahead.range_class = self.table.find_counted(client, client_size, &ahead.counted)
        ahead.may_ask = self.may_ask(ahead.range_class, client, client_size, at)
        if ahead.may_ask:
            self.find_route(asked, at, ahead)
        return ahead.may_ask and ahead.ours == NOT_OURS

    cdef void find_route(self, const Asked* asked, int64_t at, LookAhead* ahead) noexcept nogil:
        """Find who answers a question, and its cache key."""
        ahead.ours = self.ours(asked, ahead.range_class, at)
        ahead.view = self.routes.view_of(asked, ahead.ours != NOT_OURS)
        ahead.hash = self.store.hash_of(
            ahead.view, asked.name, asked.name_size, asked.qtype, asked.do_bit, asked.cd
        )

    cdef inline void note_client(
        self, const LookAhead* ahead, const uint8_t* client, int size, int64_t now_ms
    ) noexcept nogil:
        """Count a query for its range, or for the network of an unregistered client."""
        if ahead.range_class < 0:
            self.unregistered.note(client, size, now_ms)
        else:
            self.ranges.note(ahead.counted)

    cdef inline void note_type(self, const Asked* asked) noexcept nogil:
        """Count a well-formed query by its type."""
        self.slots[self.types[min(<uint32_t>asked.qtype, <uint32_t>LAST_TYPE)]] += 1

    cdef inline void count(self, int transport, int outcome, uint32_t rcode) noexcept nogil:
        """Count a query once its outcome is certain, and its reply."""
        self.slots[self.outcomes[transport][outcome]] += 1
        self.count_reply(rcode)

    cdef inline void count_reply(self, uint32_t rcode) noexcept nogil:
        self.slots[self.responses[min(rcode, <uint32_t>LAST_RCODE)]] += 1

    cdef int admit(
        self, const uint8_t* client, int client_size, bint as_client, int transport, int64_t now_ms
    ) noexcept nogil:
        """Apply the limits to a query. Count it if it does not pass."""
        cdef Charge charge
        cdef int admission
        self.buckets.charge_of(client, client_size, as_client, &charge)
        admission = self.buckets.admit(&charge, now_ms)
        if admission != ADMIT_PASS:
            self.slots[self.outcomes[transport][AS_LIMITED]] += 1
            self.slots[self.limited_client if as_client else self.limited_unregistered] += 1
        return admission

    cdef int answer_unregistered(
        self, const Asked* asked, const uint8_t* client, int client_size, int transport, int64_t now_ms,
        uint32_t limit, uint8_t* out,
    ) noexcept nogil:
        """Refuse a client that may not ask, but hand over the probe's name. If it may be forged, charge its network."""
        cdef int admission = self.admit(client, client_size, transport or asked.is_proven, transport, now_ms)
        cdef uint32_t size
        if admission == ADMIT_PASS:
            if self.routes.is_probe(asked):
                return HAND_OVER
            self.count(transport, AS_UNREGISTERED, RCODE_REFUSED)
            return <int>write_empty(asked, RCODE_REFUSED, EDE_PROHIBITED, NULL, 0, limit, out)
        if admission == ADMIT_DROP:
            return DROPPED
        if asked.cookie:  # so the client can prove its address without TCP
            self.count_reply(RCODE_BADCOOKIE)
            return <int>write_empty(asked, RCODE_BADCOOKIE, -1, NULL, 0, limit, out)
        self.count_reply(RCODE_NOERROR)
        size = write_empty(asked, RCODE_NOERROR, -1, NULL, 0, limit, out)
        out[2] |= 0x02  # TC: a client that is not forged retries over TCP
        return <int>size

    cdef int fail(self, const Asked* asked, int code, int transport, uint32_t limit, uint8_t* out) noexcept nogil:
        """Answer SERVFAIL to a question that is known to fail. Policy has passed it."""
        self.note(asked)
        self.judged_counts.note_name(NAME_FAILED, asked, self.judged.range_class)
        self.count(transport, AS_FAILED, RCODE_SERVFAIL)
        return <int>write_failure(asked, code, limit, out)

    cdef bint pass_policy(self, const Asked* asked, int range_class, int64_t at) noexcept nogil:
        """Return whether policy passes the question; `judged` holds what to count. If not, call `refused_or_handed`."""
        self.table.match(asked, &self.found)
        self.judge(asked, NULL, range_class, at)
        return self.judged.verdict >= 0 and self.judged.verdict != VERDICT_REFUSE

    cdef inline void judge(self, const Asked* asked, Entry* entry, int range_class, int64_t at) noexcept nogil:
        """Judge `found`, the matches of an answer; without an entry (NULL) only those of the question."""
        self.frees, self.allowed_change, self.judged_entry = False, INT64_MAX, entry
        if self.found.count > 0 and self.table.has_allowed(range_class):
            self.free_allowed(asked, entry, range_class, at)
        self.table.judge(
            range_class, &self.found, &self.left if self.frees else &self.found, entry == NULL, at, &self.judged
        )

    cdef void free_allowed(self, const Asked* asked, Entry* entry, int range_class, int64_t at) noexcept nogil:
        """Set `left` if an allowed name frees the question, and with it all targets, or only targets of the entry."""
        cdef const uint8_t* name
        cdef int i, size
        cdef uint32_t place = 0
        cdef bint frees = self.table.allows(range_class, asked.name, asked.name_size, at, &self.allowed_change)
        cdef bint is_free = frees
        self.table.match(asked, &self.left)
        for i in range(entry.target_count if entry != NULL else 0):
            place = next_name(entry, place, &name, &size)
            if self.table.allows(range_class, name, size, at, &self.allowed_change):
                frees = True
            elif self.left.count >= 0:
                self.table.add_target(name, size, &self.left)
        if is_free:
            self.left.count = 0
        self.frees = frees

    cdef int refused_or_handed(
        self, const Asked* asked, int range_class, int transport, int64_t at, uint32_t limit, uint8_t* out
    ) noexcept nogil:
        if self.judged.verdict < 0:
            return HAND_OVER
        return self.refuse(asked, range_class, transport, at, limit, out)

    cdef int ours(self, const Asked* asked, int range_class, int64_t at) noexcept nogil:
        """Return `NameRoutes.ours`, but NOT_OURS for signal names if no row enforces a ban for the client."""
        cdef int ours = self.routes.ours(asked)
        return NOT_OURS if ours & SIGNAL and not self.table.enforcing(range_class, at) else ours

    cdef int answer_ours(
        self, const Asked* asked, int ours, int range_class, int transport, int64_t at, uint32_t limit, uint8_t* out
    ) noexcept nogil:
        """Answer a local name, unless policy refuses it. Hand over names that C does not know."""
        cdef Edes none
        cdef const Body* soa = &self.records.signal if ours & SIGNAL else &self.records.zone
        if not ours & (ZONE_HERE | LOOPBACK | SIGNAL):
            return HAND_OVER
        if not self.pass_policy(asked, range_class, at):
            return self.refused_or_handed(asked, range_class, transport, at, limit, out)
        self.note(asked)
        self.count(transport, AS_LOCAL, ours & ZONE_RCODE)
        if ours & ZONE_BYPASS:
            self.judged_counts.note_bypass(range_class, self.bypass_ddr)
        if ours & SIGNAL:
            self.judged_counts.note_bypass(range_class, self.bypass_canary if ours & SIGNAL_CANARY else self.bypass_relay)
        if ours & LOOPBACK and (asked.qtype == RR_A or asked.qtype == TYPE_ANY):
            return <int>write_one(asked, &self.records.loopback4, -1, False, limit, out)
        if ours & LOOPBACK and asked.qtype == RR_AAAA:
            return <int>write_one(asked, &self.records.loopback6, -1, False, limit, out)
        none.count, none.text, none.text_size = 0, NULL, 0
        return <int>write_denial(
            asked, ours & ZONE_RCODE, asked.name, self.routes.apex, soa, COUNT_AUTHORITY, &none, limit, out
        )

    cdef int decline(
        self, const Asked* asked, int counted_as, int ede, int transport, uint32_t limit, uint8_t* out
    ) noexcept nogil:
        """Answer REFUSED to a query that is never forwarded."""
        self.note(asked)
        self.count(transport, counted_as, RCODE_REFUSED)
        return <int>write_empty(asked, RCODE_REFUSED, ede, NULL, 0, limit, out)

    cdef void drop_waiting(self, int transport) noexcept nogil:
        """Count a query that is dropped because there is no room to wait."""
        self.slots[self.outcomes[transport][AS_LIMITED]] += 1
        self.slots[self.limited_waiting] += 1

    cdef int serve(
        self, const Asked* asked, Entry* entry, int range_class, int transport, int how, int64_t at, int64_t now_ms,
        uint32_t limit, uint8_t* out,
    ) noexcept nogil:
        """Reply from an entry. Apply policy to the question, unless it is DELIVERED, then to all names together."""
        cdef int size
        cdef bint no_types = asked.any and entry.rcode == RCODE_NOERROR and not big16(entry_message(entry) + COUNT_ANSWER)
        if entry.withheld == WITHHELD_ADDITIONAL:
            return HAND_OVER
        if entry.generation != self.generation and not self.look_up(asked, entry):
            return HAND_OVER
        if read_matches(entry, 0, &self.found) < entry.found_size:
            return HAND_OVER  # an additional record belongs to a service
        if self.found.count:
            if how != DELIVERED:
                self.judge(asked, NULL, range_class, at)
                if self.judged.verdict == VERDICT_REFUSE:
                    keep_question_matches(&self.found)
                    return self.refuse(asked, range_class, transport, at, limit, out)
            self.judge(asked, entry, range_class, at)
            if self.judged.verdict < 0:
                return HAND_OVER
            if self.judged.verdict == VERDICT_REFUSE:
                size = self.refuse(asked, range_class, transport, at, limit, out)
                if size > 0 and how != DELIVERED:
                    self.note_hit(entry, how, now_ms)
                return size
        if entry.withheld:
            size = <int>write_withheld(asked, self.records, self.synthesised_s(range_class, at), limit, out)
            self.slots[self.rebinding_blocked] += 1
        elif no_types and not has_signed_denial(entry):
            size = <int>write_one(
                asked, &self.records.any, self.cap_s(range_class, at), how == AS_STALE, limit, out
            )
        else:
            size = <int>write_relayed(
                asked, entry, age_of(entry, now_ms), self.cap_s(range_class, at),
                entry.ad and (asked.ad or asked.do_bit) and not no_types, how == AS_STALE, limit, out,
            )
            if size and entry.rotation_count > 1:
                rotate_addresses(entry, asked.id, out)
        if size == 0:
            return HAND_OVER
        if self.found.count:
            self.note(asked)
        if how != DELIVERED:
            self.note_hit(entry, how, now_ms)
        self.count(transport, how, RCODE_NOERROR if entry.withheld else expressible(asked, entry.rcode))
        return size

    cdef inline void note_hit(self, Entry* entry, int how, int64_t now_ms) noexcept nogil:
        """Count a hit. Set `due` if it is one of a popular answer that ends soon, and no failure of it is known."""
        self.slots[self.cache_hits] += 1
        if how == KEPT and note_entry_hit(entry, now_ms):
            self.due = self.failures.known_for(entry.view, entry.hash, True, now_ms) == UNKNOWN

    cdef bint look_up(self, const Asked* asked, Entry* entry) noexcept nogil:
        """Store in the entry what its names belong to. Return False if there is no room."""
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
        for i in range(entry.additional_count):
            at = next_name(entry, at, &name, &size)
            self.table.match_one(name, size, &self.found)
            if self.found.count and not add_matches(entry, &self.found):
                return False
        entry.generation = self.generation
        return True

    cdef int64_t cap_s(self, int range_class, int64_t at) noexcept nogil:
        """Return the longest TTL for `found`, as rules/ttl_cap.py; -1 without a bound."""
        cdef int64_t change
        if not self.found.count or not self.table.concerned(&self.found):
            return -1
        change = min(self.table.next_change(range_class, &self.found, at), self.allowed_change)
        if change - at > CONCERNED_TTL_S:
            return CONCERNED_TTL_S
        return change - at if change - at > 1 else 1

    cdef int refuse(
        self, const Asked* asked, int range_class, int transport, int64_t at, uint32_t limit, uint8_t* out
    ) noexcept nogil:
        """Write the reply of the winning ban. `found` holds the matches that it was judged by."""
        cdef uint16_t size = 0
        cdef uint16_t ede = 0
        cdef int written
        cdef bint structured = asked.reads_json
        cdef const uint8_t* text = self.table.text_of(self.judged.rule, &structured, &size, &ede)
        if text == NULL:
            return HAND_OVER
        if self.table.notes_clients(range_class, at) and self.clients_left[0]:
            return HAND_OVER  # the slow path notes the client
        self.note(asked)
        if self.table.reply_of(self.judged.rule) == self.refused_reply:
            written = <int>write_empty(asked, RCODE_REFUSED, ede, text, size, limit, out)
        else:
            written = self.refuse_by_record(
                asked, self.synthesised_s(range_class, at), ede, structured, text, size, limit, out
            )
        self.count(transport, AS_REFUSED, out[3] & EXTENDED)
        return written

    cdef int refuse_by_record(
        self, const Asked* asked, int ttl_s, uint16_t ede, bint structured, const uint8_t* text, uint16_t text_size,
        uint32_t limit, uint8_t* out,
    ) noexcept nogil:
        """Write a refusal by addresses or a denial, as rules/refusal_reply.py."""
        cdef const uint8_t* addresses
        cdef uint32_t count, size, suffix = asked.name_size if self.judged.target else self.judged.suffix
        cdef int reply = self.table.reply_of(self.judged.rule)
        cdef Edes edes
        cdef bint absent = reply == self.nxdomain_reply and self.judged.domain and not self.judged.target
        cdef bint has_data = not absent and asked.qtype == TYPE_SOA and suffix == asked.name_size
        edes.count, edes.codes[0], edes.codes[1], edes.text, edes.text_size = 1, ede, EDE_FORGED, text, text_size
        if reply == self.address_reply and asked.qclass == CLASS_IN:
            addresses = self.table.addresses_of(self.judged.rule, &count)
            edes.count = 1 if structured else 2
            size = write_addresses(asked, addresses, count, <uint32_t>ttl_s, &edes, limit, out)
            if size:
                return <int>size
            edes.count = 1
        return <int>write_denial(
            asked, RCODE_NXDOMAIN if absent else RCODE_NOERROR, asked.message + HEADER_BYTES, suffix,
            &self.records.denials[ttl_s], COUNT_ANSWER if has_data else COUNT_AUTHORITY, &edes, limit, out,
        )

    cdef int synthesised_s(self, int range_class, int64_t at) noexcept nogil:
        """Return the TTL of a refusal's records; at least 1, the lowest TTL that has a record."""
        cdef int64_t cap_s = self.cap_s(range_class, at)
        return MOST_SYNTHESISED if cap_s < 0 or cap_s > MOST_SYNTHESISED else <int>cap_s

    cdef inline void note(self, const Asked* asked) noexcept nogil:
        """Count the effect of the bans on the query, and note its name, once its outcome is certain."""
        self.judged_counts.note(&self.judged, asked, self.judged_entry)
