# Constants and structures that the parts of the engine share.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset

cdef enum:
    HEADER_BYTES = 12
    MOST_NAME = 255
    MOST_LABEL = 63
    MOST_LABELS = 127
    MOST_MATCHES = 32       # entries that one question with its targets may belong to; the slow path takes more
    MOST_RULES = 64         # bans of one class
    MOST_PENDING = 8        # pairs with a pending name that one query belongs to
    MOST_TARGETS = 16       # names that an ordinary answer leads to
    MOST_RECORDS = 64       # records of an ordinary answer
    MOST_ADDITIONAL_NAMES = 16  # owners and targets in its additional section

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
    RCODE_NOTAUTH = 9

cdef enum:
    VERDICT_PASS = 0
    VERDICT_MONITOR = 1
    VERDICT_REFUSE = 2

# A query. It points into its message. A plain query has class IN, RD=1, opcode QUERY, and no record but one OPT of
# version 0.
cdef struct Asked:
    const uint8_t* message
    uint32_t size
    uint16_t id
    uint16_t qtype
    uint16_t qclass
    uint16_t name_size      # bytes of the name with its root
    uint16_t payload        # UDP payload size of its OPT; 0 without OPT
    uint8_t labels          # without the root
    bint any                # the message asks for ANY; `qtype` is then CNAME, the type to look up
    bint rd
    bint ad
    bint cd
    bint edns
    bint do_bit
    bint reads_json         # the client reads an extended error's text as JSON: Edns.reads_json
    uint32_t cookie         # offset of the data of its cookie; 0: none that is answered
    uint16_t cookie_size
    bint is_proven          # its server cookie is one of ours, for its address
    uint8_t server_cookie[16]   # SERVER_COOKIE, for replies if it has a cookie
    bint is_named           # `subnet` names the client
    uint32_t subnet         # offset of the data of its client subnet, unless the query is plain; 0: none
    uint8_t named[16]       # the client
    uint8_t name[256]       # folded
    uint8_t starts[128]     # offset of each label in the name

# An entry of the names file that a name belongs to.
cdef struct Match:
    uint16_t entry
    uint8_t suffix          # bytes of the matched name with its root
    bint domain
    bint target             # only a target of the answer belongs to it

cdef struct Matches:
    int count               # -1: more than `at` has room for
    Match at[32]            # MOST_MATCHES, by entry

# A match of a pending name that counts for a pair.
cdef struct PendingHit:
    uint32_t pair
    uint16_t entry
    uint8_t suffix
    bint target

# The judgement on a query, as Judgement of the snapshot's reader. Pairs are ascending and distinct.
cdef struct Judged:
    int verdict
    uint32_t rule           # the winner's index in the rules section, unless verdict is PASS
    uint8_t suffix          # of the winner's hit
    bint domain
    bint target
    int32_t refused         # -1: not counted
    int monitored_count
    int exempted_count
    int32_t monitored[64]   # MOST_RULES
    int32_t exempted[64]
    int32_t refused_by      # ban counts, as the pairs
    int monitored_by_count
    int exempted_by_count
    int32_t monitored_by[64]
    int32_t exempted_by[64]
    int pending_count
    PendingHit pending[8]   # MOST_PENDING; different in pair, suffix or target
    bint is_bypass          # a match is of the service `encrypted_dns`
    int range_class

# One record of an ordinary answer.
cdef struct Held:
    uint32_t end            # offset of its end in the message
    uint32_t ttl_at
    uint32_t ttl            # the least of its RRset (RFC 2181 section 5.2); 0 if the top bit was set
    uint8_t section

# An answer that can be cached as received, without its last records: the result of `prune_answer`. `names` holds its
# names one after the other.
cdef struct Ordinary:
    uint32_t size           # bytes to cache, from the header on
    uint16_t rcode
    bint ad
    bint has_opt
    uint32_t options        # offset of its options; 0: none that are read
    uint32_t options_end
    bint has_private        # a private address
    uint32_t lifetime_s     # 0: not to be cached
    uint16_t counts[3]
    int record_count
    Held records[64]        # MOST_RECORDS
    int target_count
    int additional_count
    uint32_t names_size
    uint8_t names[8192]     # folded targets, then the names of the additional section
