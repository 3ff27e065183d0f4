# Steps 3 to 7 of the main loop, for one query of a datagram or a stream. Each function returns the size of the reply in
# `out`, or HAND_OVER, MISS or DROPPED.

cdef int answer_plain(
    FastPath fast, Asked* asked, const LookAhead* ahead, const uint8_t* client, int client_size, int transport,
    int64_t at, int64_t now_ms, uint8_t* out,
) noexcept nogil:
    """Answer a plain query, after `look_ahead`."""
    cdef uint32_t limit
    fast.cookies.answer(asked, client, client_size, transport, at)
    limit = reply_limit(asked, transport)
    fast.note_type(asked)
    # 3. Count the client's range or network, and refuse it unless it may ask. Limits apply to every client.
    fast.note_client(ahead, client, client_size, now_ms)
    if not ahead.may_ask:
        return fast.answer_unregistered(asked, client, client_size, transport, now_ms, limit, out)
    if fast.admit(client, client_size, True, transport, now_ms) != ADMIT_PASS:
        return DROPPED
    return resolve(fast, asked, ahead, transport, at, now_ms, limit, out)


cdef int resolve(
    FastPath fast, const Asked* asked, const LookAhead* ahead, int transport, int64_t at, int64_t now_ms,
    uint32_t limit, uint8_t* out,
) noexcept nogil:
    """Answer a query for data of class IN. The limits have passed it."""
    cdef Entry* entry
    cdef int known
    # 4. Local names, unless policy refuses the question.
    if ahead.ours != NOT_OURS and not (ahead.ours & ZONE_OVERRIDABLE and ahead.view):
        return fast.answer_ours(
            asked, fast.ours(asked, ahead.range_class, at), ahead.range_class, transport, at, limit, out
        )
    # 5. The cache. An expired entry may be served as stale in step 7.
    entry = fast.store.find(
        ahead.view, asked.name, asked.name_size, asked.qtype, asked.do_bit, asked.cd, ahead.hash, now_ms
    )
    if entry != NULL and now_ms < entry.expires_ms:
        return fast.serve(asked, entry, ahead.range_class, transport, KEPT, at, now_ms, limit, out)
    # 6. Policy, before failures are looked up: a refused question requests no probe.
    if not fast.pass_policy(asked, ahead.range_class, at):
        return fast.refused_or_handed(asked, ahead.range_class, transport, at, limit, out)
    # 7. Do not forward a question that is known to fail.
    known = fast.failures.known_for(ahead.view, ahead.hash, entry != NULL, now_ms)
    if known == UNKNOWN:
        return MISS
    if known == IN_PYTHON or (entry == NULL and fast.store.has_other(asked, ahead.view, now_ms)):
        return HAND_OVER
    if entry != NULL:
        return fast.serve(asked, entry, ahead.range_class, transport, AS_STALE, at, now_ms, limit, out)
    return fast.fail(asked, known, transport, limit, out)


cdef int answer_odd(
    FastPath fast, const uint8_t* message, uint32_t size, Asked* asked, LookAhead* ahead, const uint8_t** named,
    int* named_size, int transport, int64_t at, int64_t now_ms, uint8_t* out,
) noexcept nogil:
    """Parse and answer a message that is no plain query. On MISS, `asked` holds the query.

    `named` is the peer. It becomes the client that a trusted forwarder names.
    """
    cdef const uint8_t* client
    cdef int client_size
    cdef Fault fault
    cdef uint32_t limit
    # 2. Parse. A message that is too short or is itself a response gets no answer.
    cdef int result = read_odd(message, size, transport, asked, &fault)
    ahead.range_class = -1
    if result == ODD_SILENT:
        fast.slots[fast.outcomes[transport][AS_DROPPED]] += 1
        return DROPPED
    if result == ODD_QUERY:
        fast.note_type(asked)
        if asked.subnet and fast.forwarders.hold(named[0], named_size[0]):
            name_client(asked, fast.table, named, named_size)
    client, client_size = named[0], named_size[0]
    fast.cookies.answer(asked, client, client_size, transport, at)
    limit = reply_limit(asked, transport)
    # 3. Client and limits.
    ahead.range_class = fast.table.find_counted(client, client_size, &ahead.counted)
    fast.note_client(ahead, client, client_size, now_ms)
    ahead.may_ask = fast.may_ask(ahead.range_class, client, client_size, at)
    if result == ODD_QUERY and not ahead.may_ask:
        return fast.answer_unregistered(asked, client, client_size, transport, now_ms, limit, out)
    if fast.admit(client, client_size, ahead.may_ask or transport or asked.is_proven, transport, now_ms) != ADMIT_PASS:
        return DROPPED
    if result == ODD_QUERY:
        return answer_rare(fast, asked, ahead, transport, at, now_ms, limit, out)
    if fault.opcode == OPCODE_UPDATE and fast.takes_updates and ahead.range_class >= 0:
        return HAND_OVER
    result = AS_UNSUPPORTED if fault.rcode == RCODE_NOTIMP else AS_MALFORMED
    if fault.asks_cookie and asked.cookie:
        result = AS_LOCAL
        fault.rcode = RCODE_NOERROR if asked.is_proven or asked.cookie_size == CLIENT_COOKIE else RCODE_BADCOOKIE
    fast.count(transport, result, fault.rcode)
    return <int>write_fault(asked, &fault, out)


cdef int answer_rare(
    FastPath fast, Asked* asked, LookAhead* ahead, int transport, int64_t at, int64_t now_ms, uint32_t limit,
    uint8_t* out,
) noexcept nogil:
    """Answer a well-formed query that is not plain. The limits have passed it."""
    cdef int ours
    if asked.is_named:
        return HAND_OVER
    # 6. Policy comes first here: the steps below may decline a query that it passes.
    if not fast.pass_policy(asked, ahead.range_class, at):
        return fast.refused_or_handed(asked, ahead.range_class, transport, at, limit, out)
    if not asked.rd:
        return fast.decline(asked, AS_NOT_RECURSIVE, EDE_NOT_AUTHORITATIVE, transport, limit, out)
    if asked.qclass == CLASS_CH or asked.qclass == CLASS_NONE or asked.qclass == CLASS_ANY:
        return fast.decline(asked, AS_UNSUPPORTED, -1, transport, limit, out)
    if asked.qclass != CLASS_IN or (asked.qtype != TYPE_ANY and not is_plain_type(asked.qtype)):
        return HAND_OVER
    # 4. Local names. For other names, ANY is answered from the name's CNAME.
    if asked.qtype == TYPE_ANY:
        ours = fast.ours(asked, ahead.range_class, at)
        if ours != NOT_OURS and not (ours & ZONE_OVERRIDABLE and fast.routes.view_of(asked, True)):
            return fast.answer_ours(asked, ours, ahead.range_class, transport, at, limit, out)
        look_for_alias(asked)
    fast.find_route(asked, at, ahead)
    return resolve(fast, asked, ahead, transport, at, now_ms, limit, out)
