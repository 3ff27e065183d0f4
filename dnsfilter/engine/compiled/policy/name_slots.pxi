# Filling the hash table of a names file. `dnsfilter.snapshot.names_file.fill_slots` is its twin.

cdef bint is_folded_name(const uint8_t* name, int size, uint8_t* starts, int* labels) noexcept nogil:
    """Return whether this is a lower-case wire name below the root, and set its number of labels and their offsets."""
    cdef int at
    labels[0] = label_starts(name, size, starts)
    for at in range(size):
        if 65 <= name[at] <= 90:        # a length byte is below these, or no length
            return False
    return labels[0] > 0


def fill_slots(bytes records, bytearray slots, bytes key):
    """Fill the empty slots with the records. Other threads run meanwhile."""
    cdef const uint8_t* at = <const uint8_t*><const char*>records
    cdef uint32_t* table = <uint32_t*><char*>slots
    cdef const uint8_t* secret = <const uint8_t*><const char*>key
    cdef uint64_t multiplier = 1 + little64(secret) % (SNAPSHOT_PRIME - 1)
    cdef uint64_t extra = little64(secret + 8), running, spreading, position = RECORD_BYTES, end = len(records)
    cdef uint32_t mask = <uint32_t>(len(slots) // SLOT_BYTES) - 1, slot, upper, probe, longest = 0
    cdef int size, labels = 0, most = 0, label, label_end, word
    cdef uint8_t starts[MOST_LABELS + 1]
    cdef const uint8_t* name
    cdef bint sound = True
    with nogil:
        while position < end:
            size = at[position + 2]
            name = at + position + RECORD_BYTES
            sound = is_folded_name(name, size, starts, &labels)
            if not sound:
                break
            running = 0
            label_end = size - 1
            for label in range(labels - 1, -1, -1):
                word = starts[label]
                while word < label_end:
                    running = snapshot_hash_step(
                        running, hash_word(name + word, min(label_end - word, HASH_WORD_BYTES), size - word), multiplier
                    )
                    word += HASH_WORD_BYTES
                label_end = starts[label]
            spreading = (running ^ extra) * SNAPSHOT_SPREAD
            upper = <uint32_t>(spreading >> 32)
            slot = (<uint32_t>spreading ^ upper) & mask
            probe = 1
            while table[2 * slot + 1]:
                slot = (slot + 1) & mask
                probe += 1
            table[2 * slot] = upper
            table[2 * slot + 1] = <uint32_t>position
            longest = max(longest, probe)
            most = max(most, labels)
            position += RECORD_BYTES + size + little16(at + position) * RECORD_ENTRY_BYTES
    return (0 if sound else position), longest, most
