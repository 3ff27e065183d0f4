# What the parts of the engine share: numbers, and the structures that pass between them.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset

cdef enum:
    HEADER_BYTES = 12
    MOST_NAME = 255
    MOST_LABEL = 63
    MOST_LABELS = 127
    LEAST_LIMIT = 512
    OUR_PAYLOAD = 1232
    MOST_MATCHES = 32       # entries that one question with its targets may belong to; more are the reference's business
    MOST_RULES = 64         # bans of one class
    MOST_TARGETS = 16       # names that an ordinary answer leads to
    MOST_RECORDS = 64       # records of an ordinary answer
    MOST_BESIDE = 16        # names that its additional section tells of

cdef enum:
    TYPE_CNAME = 5
    TYPE_SOA = 6
    TYPE_OPT = 41
    TYPE_ANY = 255
    CLASS_IN = 1

cdef enum:
    RCODE_NOERROR = 0
    RCODE_SERVFAIL = 2
    RCODE_NXDOMAIN = 3
    RCODE_REFUSED = 5

cdef enum:
    VERDICT_PASS = 0
    VERDICT_MONITOR = 1
    VERDICT_REFUSE = 2

# A query. It points into its message. A plain one has class IN, RD=1, opcode QUERY, and no record but one OPT of version 0.
cdef struct Asked:
    const uint8_t* message
    uint32_t size
    uint16_t id
    uint16_t qtype
    uint16_t qclass
    uint16_t name_size      # octets of the name with its root
    uint16_t payload        # what its OPT says; 0 without OPT
    uint8_t labels          # without the root
    bint any                # the message asks for ANY; `qtype` is CNAME, which is looked up for that
    bint rd
    bint ad
    bint cd
    bint edns
    bint do_bit
    uint8_t name[256]       # folded
    uint8_t starts[128]     # where each label of the name starts

# An entry of the names file that a name belongs to.
cdef struct Match:
    uint16_t entry
    uint8_t suffix          # octets of the matched name with its root
    bint domain
    bint target             # only a name that the answer leads to belongs to it

cdef struct Matches:
    int count               # -1: more than there is room for
    Match at[32]            # MOST_MATCHES, by entry

# What a query meets: as Judgement of the snapshot's reader. Pairs are ascending and distinct.
cdef struct Judged:
    int verdict
    uint32_t rule           # the winner's index in the rules section, where verdict is not PASS
    uint8_t suffix          # of the winner's hit
    bint domain
    bint target
    int32_t refused         # -1: not counted
    int monitored_count
    int exempted_count
    int32_t monitored[64]   # MOST_RULES
    int32_t exempted[64]

# One record of an ordinary answer.
cdef struct Held:
    uint32_t end            # where it ends in the message
    uint32_t ttl_at
    uint32_t ttl            # levelled (RFC 2181 section 5.2), 0 where the top bit was set
    uint8_t section

# An answer that can be kept as it came, less its end: what `kept` leaves of it. Names stand in `names`, one behind the other.
cdef struct Ordinary:
    uint32_t size           # octets to keep, from the header on
    uint16_t rcode
    bint ad
    bint has_opt
    uint32_t lifetime_s     # 0: not to be kept
    uint16_t counts[3]
    int record_count
    Held records[64]        # MOST_RECORDS
    int target_count
    int beside_count
    uint32_t names_size
    uint8_t names[8192]     # folded targets, then the names that the additional section tells of
