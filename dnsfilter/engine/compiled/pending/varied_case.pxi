# The case of letters in questions to upstreams, exactly as engine/slow_path/varied_case.py.


cdef inline uint8_t with_letter(uint8_t value, uint64_t letters) noexcept nogil:
    """Return a byte of a folded name, in upper case if it is a letter and the lowest bit of `letters` is set."""
    return value ^ <uint8_t>((<uint8_t>(<uint8_t>(value - 97) < 26) & letters) << 5)


cdef inline void vary(uint8_t* name, uint32_t size, uint64_t letters) noexcept nogil:
    """Give these letters of a folded name the upper case."""
    cdef uint32_t i
    for i in range(min(size, VARIED_BYTES)):
        name[i] = with_letter(name[i], letters >> i)


cdef inline bint repeats(const uint8_t* found, const uint8_t* name, uint32_t size, uint64_t letters) noexcept nogil:
    """Return whether the bytes at `found` are the folded name with these letters in upper case."""
    cdef uint32_t i, varied = min(size, VARIED_BYTES)
    cdef uint8_t different = 0
    for i in range(varied):
        different |= found[i] ^ with_letter(name[i], letters >> i)
    return different == 0 and memcmp(found + varied, name + varied, size - varied) == 0


cdef void fold_answer(uint8_t* message, uint32_t size, uint32_t name_size) noexcept nogil:
    """Fold question, owners and names in data of an answer that has at least its header and its name."""
    cdef uint32_t position = HEADER_BYTES + name_size, end
    cdef uint32_t records = big16(message + 6) + big16(message + 8) + big16(message + 10)
    fold(message + HEADER_BYTES, message + HEADER_BYTES, name_size)
    position += 4
    while records:
        records -= 1
        position = fold_labels(message, position, size)
        end = position + 10
        if end > size:
            return
        end += big16(message + end - 2)
        fold_data(message, big16(message + position), position + 10, min(end, size))
        position = end


cdef inline void fold_data(uint8_t* message, uint16_t rtype, uint32_t position, uint32_t end) noexcept nogil:
    """Fold the names in the data of a record, but not the first label of a PTR."""
    if rtype == RR_PTR:
        position += 1 + message[position] if position < end else 0
    elif rtype == RR_MX:
        position += 2
    elif rtype == RR_SRV:
        position += 6
    elif rtype not in (TYPE_CNAME, RR_NS, TYPE_SOA):
        return
    position = fold_labels(message, position, end)
    if rtype == TYPE_SOA:
        fold_labels(message, position, end)


cdef inline uint32_t fold_labels(uint8_t* message, uint32_t position, uint32_t end) noexcept nogil:
    """Fold the labels of a name up to its root, its pointer or `end`. Return where it ends, or a later offset."""
    cdef uint32_t label_end
    while position < end and message[position]:
        if message[position] > MOST_LABEL:
            return position + 2
        label_end = min(position + 1 + message[position], end)
        fold(message + position + 1, message + position + 1, label_end - position - 1)
        position = label_end
    return position + 1
