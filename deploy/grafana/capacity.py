"""The dashboard Capacity: how close is each node to its limits?"""

from panels import CA_VALIDITY, ON_NODE, SHARE_OF_DISK, SHARE_OF_LIMIT, VALIDITY, ZERO_IS_USUAL, Panel, build, rate

LOAD = (
    Panel(
        title="Queries per node", unit="qps",
        question="How many queries does each node get per second?",
        queries={"{{instance}}": f"sum by (instance) {rate('dnsfilter_queries_total')}"},
    ),
    Panel(
        title="Queries per worker", unit="qps",
        question="Is the load spread over the workers of each node?",
        queries={"{{instance}} {{worker}}": f"sum by (instance, worker) {rate('dnsfilter_worker_queries_total')}"},
    ),
    Panel(
        title="Processor time per process", unit="percentunit", colours=SHARE_OF_LIMIT,
        question="Which process is near its limit? A worker has one core: 100 %.",
        queries={"{{instance}} {{process}}":
                 f"sum by (instance, process) {rate('dnsfilter_process_cpu_seconds_total')}"},
    ),
    Panel(
        title="Memory per process", unit="bytes",
        question="Does the memory of a process grow without end? Shared memory counts for each.",
        queries={"{{instance}} {{process}}": f"dnsfilter_process_memory_bytes{ON_NODE}"},
    ),
    Panel(
        title="Open files, share of the limit", unit="percentunit", colours=SHARE_OF_LIMIT,
        question="Does a process run out of file descriptors?",
        queries={"{{instance}} {{process}}":
                 f"dnsfilter_process_open_files / dnsfilter_process_open_files_limit{ON_NODE}"},
    ),
    Panel(
        title="Receive queue, share of the buffer", unit="percentunit", colours=SHARE_OF_LIMIT,
        question="Do queries wait in the kernel? At 100 % it drops them.",
        queries={"{{instance}}": f"dnsfilter_receive_queue_bytes / dnsfilter_receive_buffer_bytes{ON_NODE}"},
    ),
    Panel(
        title="Queries dropped", unit="qps",
        question="How many queries does the kernel drop because a buffer is full?",
        queries={"{{instance}}": f"sum by (instance) {rate('dnsfilter_datagrams_dropped_total')}"},
    ),
    Panel(
        title="Stopped by a limit", unit="qps",
        question="How many queries, and for `connections` connections, are above the limits for clients?",
        queries={"{{limit}}": f"sum by (limit) {rate('dnsfilter_limited_total')}"},
    ),
    Panel(
        title="Open connections", decimals=0,
        question="How many connections of clients are open, over TCP and encrypted?",
        queries={"{{instance}} tcp": f"dnsfilter_tcp_connections{ON_NODE}",
                 "{{instance}} {{transport}}": f"dnsfilter_encrypted_connections{ON_NODE}"},
    ),
    Panel(
        title="Cache hits", unit="ops",
        question="How many lookups per second does the cache serve, and how many answers does it ask for again?",
        queries={
            "{{instance}}": f"sum by (instance) {rate('dnsfilter_cache_hits_total')}",
            "{{instance}}, asked again": f"sum by (instance) {rate('dnsfilter_cache_prefetches_total')}",
        },
    ),
)  # fmt: skip

SIZE = (
    Panel(
        title="Answers cached", kind="stat", decimals=0,
        question="How many answers do the caches hold?",
        queries={"{{instance}}": f"dnsfilter_cache_entries{ON_NODE}"},
    ),
    Panel(
        title="Size of the caches", kind="stat", unit="bytes",
        question="How much memory do the caches use? Compare with `[cache] max_bytes`.",
        queries={"{{instance}}": f"dnsfilter_cache_bytes{ON_NODE}"},
    ),
    Panel(
        title="Receive buffer", kind="stat", unit="bytes",
        question="How much does the kernel grant each listening socket? 8 MiB hold 100 ms of 50,000 queries a second.",
        queries={"{{instance}}": f"dnsfilter_receive_buffer_bytes{ON_NODE}"},
    ),
    Panel(
        title="Free disk, nodes", kind="stat", unit="percentunit", colours=SHARE_OF_DISK,
        question="Which share of the disk with the state directory is free? An alert fires below 10 %.",
        queries={"{{instance}}": f"dnsfilter_state_disk_free_bytes / dnsfilter_state_disk_size_bytes{ON_NODE}"},
    ),
    Panel(
        title="Free disk, control plane", kind="stat", unit="percentunit", colours=SHARE_OF_DISK,
        question="Which share of the disk of the control plane is free?",
        queries={"{{instance}}": "dnsfilter_api_state_disk_free_bytes / dnsfilter_api_state_disk_size_bytes"},
    ),
    Panel(
        title="Certificate for clients", kind="stat", unit="s", colours=VALIDITY,
        question="For how long is the certificate for DNS over TLS and HTTPS still valid?",
        queries={"{{instance}}": f"(dnsfilter_certificate_expiry_timestamp_seconds - time()){ON_NODE}"},
    ),
    Panel(
        title="CA of devices", kind="stat", unit="s", colours=CA_VALIDITY,
        values={"0": ("no certificate needed", "text")},
        question="For how long is the CA of the fleets' devices still valid? An alert fires 60 days before its end.",
        queries={"{{instance}}": f"(dnsfilter_client_ca_expiry_timestamp_seconds - time()){ON_NODE} "
                 f"or on (instance) 0 * dnsfilter_node_info{ON_NODE}"},
    ),
    Panel(
        title="Certificate rejected", kind="stat", colours=ZERO_IS_USUAL,
        question="Which nodes cannot use the newest certificate, and stay with the one before?",
        queries={"{{instance}}": f"dnsfilter_certificate_rejected{ON_NODE}"},
    ),
    Panel(
        title="Clock difference", kind="stat", unit="s", colours=((None, "green"), (30, "red")),
        question="How far is the clock of each node from that of Prometheus? An alert fires beyond 30 seconds.",
        queries={"{{instance}}": f"abs(dnsfilter_time_seconds - timestamp(dnsfilter_time_seconds)){ON_NODE}"},
    ),
)  # fmt: skip

CAPACITY = build(
    "dnsfilter: Capacity", "dnsfilter-capacity", "How close is each node to its limits?", {"": SIZE, "Load": LOAD}
)
