/* A steady load that keeps an account of every query: `asker PORT SECONDS QUESTIONS CLIENT RATE SOCKETS ...`.
 *
 * Asks 127.0.0.1 for SECONDS, as each CLIENT (an address of this machine) RATE queries a second from SOCKETS ports. The
 * file QUESTIONS holds messages with their lengths before them, as over TCP; they are asked in turn, each under an id of
 * its own. Prints a line of JSON for each client:
 *
 * sent, answered   a query counts as answered once, however late; what the kernel did not take was not sent
 * skipped          not sent, because this program was kept from running: it does not make up for that by a burst
 * deaf             answers that this program's own receive buffers had no room for
 * gap_ms           the longest time that one port was without an answer while it was asking
 * p50_ms, p99_ms   from the sending to the reading of the answer
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 32,
    DATAGRAM = 2048,
    HEADER = 12,
    IDS = 65536,
    MAX_FLOWS = 8,
    MAX_SOCKETS = 256,
    MAX_QUESTIONS = 65536,
    MAX_RATE = 1000000,
    MAX_SECONDS = 600,
    ROOM = 4 << 20,
    TURNS_PER_S = 3000,         /* how often queries leave, where not each leaves for itself */
};
static const int64_t BEHIND_NS = 5000000, QUIET_NS = 1000000000, SECOND_NS = 1000000000;

struct port {
    int fd;
    uint16_t next_id;
    int64_t answered_at, asked_at, gap_ns;
    int64_t *sent_at;           /* by id; 0 where no answer is awaited */
};

struct flow {
    struct sockaddr_in client;
    int64_t rate, began, sent, answered, skipped, deaf;
    int port_count, next_port, batch;
    struct port *ports;
    uint32_t *latencies_us;
    int64_t latency_room;
};

struct question {
    const uint8_t *bytes;
    size_t size;
};

static struct question questions[MAX_QUESTIONS];
static int question_count, next_question;

static void fail(const char *action) {
    perror(action);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void *zeroed(size_t count, size_t size) {
    void *made = calloc(count, size);
    if (made == NULL)
        fail("find memory");
    return made;
}

static void read_questions(const char *path) {
    FILE *file = fopen(path, "rb");
    uint8_t head[2];
    if (file == NULL)
        fail("open questions");
    while (question_count < MAX_QUESTIONS && fread(head, 1, 2, file) == 2) {
        size_t size = (size_t)head[0] << 8 | head[1];
        uint8_t *bytes = zeroed(1, size + 1);
        if (size < HEADER || size > DATAGRAM || fread(bytes, 1, size, file) != size) {
            fprintf(stderr, "read questions: not messages with their lengths\n");
            exit(2);
        }
        questions[question_count++] = (struct question){bytes, size};
    }
    fclose(file);
    if (question_count == 0) {
        fprintf(stderr, "read questions: there is none\n");
        exit(2);
    }
}

static void open_ports(struct flow *flow, uint16_t server_port, int epoll) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(server_port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    flow->ports = zeroed((size_t)flow->port_count, sizeof *flow->ports);
    for (int i = 0; i < flow->port_count; i++) {
        struct port *port = &flow->ports[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = port};
        int room = ROOM;
        port->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (port->fd < 0 || bind(port->fd, (struct sockaddr *)&flow->client, sizeof flow->client) < 0 ||
            connect(port->fd, (struct sockaddr *)&server, sizeof server) < 0 ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, port->fd, &event) < 0)
            fail("open a port");
        setsockopt(port->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room); /* the kernel's limit is as good */
        port->sent_at = zeroed(IDS, sizeof *port->sent_at);
    }
}

/* Sends `count` queries by the flow's next port. */
static void send_batch(struct flow *flow, int count, int64_t now) {
    static uint8_t heads[BATCH][HEADER];
    static struct mmsghdr out[BATCH];
    static struct iovec parts[BATCH][2];
    struct port *port = &flow->ports[flow->next_port];
    flow->next_port = (flow->next_port + 1) % flow->port_count;
    for (int i = 0; i < count; i++) {
        struct question *question = &questions[next_question];
        uint16_t id = (uint16_t)(port->next_id + i);
        next_question = (next_question + 1) % question_count;
        memcpy(heads[i], question->bytes, HEADER);
        heads[i][0] = (uint8_t)(id >> 8);
        heads[i][1] = (uint8_t)id;
        parts[i][0] = (struct iovec){heads[i], HEADER};
        parts[i][1] = (struct iovec){(void *)(question->bytes + HEADER), question->size - HEADER};
        out[i].msg_hdr = (struct msghdr){.msg_iov = parts[i], .msg_iovlen = 2};
    }
    int sent = sendmmsg(port->fd, out, (unsigned)count, 0);
    if (port->asked_at == 0)
        port->answered_at = now;
    port->asked_at = now;
    for (int i = 0; i < sent; i++)
        port->sent_at[port->next_id++] = now;
    flow->sent += sent > 0 ? sent : 0;
    flow->skipped += count - (sent > 0 ? sent : 0);
}

static void send_due(struct flow *flow, int64_t now) {
    int64_t due = (now - flow->began) * flow->rate / SECOND_NS - flow->sent - flow->skipped;
    int64_t most = BEHIND_NS * flow->rate / SECOND_NS + flow->batch;
    if (due > most) {
        flow->skipped += due - most;
        due = most;
    }
    for (; due >= flow->batch; due -= flow->batch)
        send_batch(flow, flow->batch, now);
}

static void note_answer(struct flow *flow, struct port *port, const uint8_t *bytes, size_t size, int64_t now) {
    uint16_t id = (uint16_t)(bytes[0] << 8 | bytes[1]);
    if (size < HEADER || port->sent_at[id] == 0)
        return;
    if (flow->answered < flow->latency_room)
        flow->latencies_us[flow->answered] = (uint32_t)((now - port->sent_at[id]) / 1000);
    port->sent_at[id] = 0;
    flow->answered++;
    if (now - port->answered_at > port->gap_ns)
        port->gap_ns = now - port->answered_at;
    port->answered_at = now;
}

static int receive(struct flow *flow, struct port *port) {
    static uint8_t inbox[BATCH][DATAGRAM];
    static struct mmsghdr in[BATCH];
    static struct iovec parts[BATCH];
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){inbox[i], DATAGRAM};
        in[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(port->fd, in, BATCH, MSG_DONTWAIT, NULL);
    int64_t now = now_ns();
    for (int i = 0; i < count; i++)
        note_answer(flow, port, inbox[i], in[i].msg_len, now);
    return count > 0 ? count : 0;
}

/* Reads what has come, waiting for it until `until`; gives how much it was. */
static int receive_all(struct flow *flows, int flow_count, int epoll, int64_t until) {
    struct epoll_event ready[BATCH];
    int64_t wait = until - now_ns();
    struct timespec patience = {.tv_sec = 0, .tv_nsec = wait < 0 ? 0 : wait < SECOND_NS ? wait : SECOND_NS - 1};
    struct pollfd polled = {.fd = epoll, .events = POLLIN};
    int came = 0, count = ppoll(&polled, 1, &patience, NULL) > 0 ? epoll_wait(epoll, ready, BATCH, 0) : 0;
    for (int i = 0; i < count; i++)
        for (int f = 0; f < flow_count; f++) {
            struct port *port = ready[i].data.ptr;
            if (port >= flows[f].ports && port < flows[f].ports + flows[f].port_count)
                came += receive(&flows[f], port);
        }
    return came;
}

static void load(struct flow *flows, int flow_count, int epoll, int64_t seconds) {
    int64_t now = now_ns(), end = now + seconds * SECOND_NS;
    for (int f = 0; f < flow_count; f++)
        flows[f].began = now;
    while ((now = now_ns()) < end) {
        int64_t next = end;
        for (int f = 0; f < flow_count; f++) {
            send_due(&flows[f], now);
            int64_t wanted = flows[f].sent + flows[f].skipped + flows[f].batch;
            int64_t due_at = flows[f].began + (wanted * SECOND_NS + flows[f].rate - 1) / flows[f].rate;
            next = due_at < next ? due_at : next;
        }
        receive_all(flows, flow_count, epoll, next);
    }
    for (int64_t last = now; now - last < QUIET_NS; now = now_ns()) {
        int64_t open = 0;
        for (int f = 0; f < flow_count; f++)
            open += flows[f].sent - flows[f].answered;
        if (open == 0)
            break;
        if (receive_all(flows, flow_count, epoll, now + QUIET_NS / 10) > 0)
            last = now;
    }
}

static int by_value(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return a < b ? -1 : a > b;
}

static void report(struct flow *flow) {
    int64_t gap = 0, known = flow->answered < flow->latency_room ? flow->answered : flow->latency_room;
    for (int i = 0; i < flow->port_count; i++) {
        struct port *port = &flow->ports[i];
        uint32_t memory[SK_MEMINFO_VARS] = {0};
        socklen_t size = sizeof memory;
        int64_t last = port->asked_at - port->answered_at; /* of a port that was not answered any more */
        gap = port->gap_ns > gap ? port->gap_ns : gap;
        gap = last > gap ? last : gap;
        if (getsockopt(port->fd, SOL_SOCKET, SO_MEMINFO, memory, &size) == 0)
            flow->deaf += memory[SK_MEMINFO_DROPS];
    }
    qsort(flow->latencies_us, (size_t)known, sizeof *flow->latencies_us, by_value);
    printf("{\"sent\": %ld, \"answered\": %ld, \"skipped\": %ld, \"deaf\": %ld, \"gap_ms\": %.3f", (long)flow->sent,
           (long)flow->answered, (long)flow->skipped, (long)flow->deaf, (double)gap / 1e6);
    printf(", \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", known ? flow->latencies_us[known / 2] / 1e3 : 0.0,
           known ? flow->latencies_us[known * 99 / 100] / 1e3 : 0.0);
}

/* The number that a word says; exits where it is none from 1 to `most`. */
static long number(const char *word, long most) {
    char *end;
    long value = strtol(word, &end, 10);
    if (*word == 0 || *end != 0 || value < 1 || value > most) {
        fprintf(stderr, "%s is not a number from 1 to %ld\n", word, most);
        exit(2);
    }
    return value;
}

int main(int count, char **words) {
    static struct flow flows[MAX_FLOWS];
    int flow_count = (count - 4) / 3, epoll = epoll_create1(0);
    if (count < 7 || (count - 4) % 3 != 0 || flow_count > MAX_FLOWS) {
        fprintf(stderr, "usage: asker PORT SECONDS QUESTIONS CLIENT RATE SOCKETS ...\n");
        return 2;
    }
    long server_port = number(words[1], 65535), seconds = number(words[2], MAX_SECONDS);
    read_questions(words[3]);
    for (int f = 0; f < flow_count; f++) {
        struct flow *flow = &flows[f];
        flow->client.sin_family = AF_INET;
        if (inet_pton(AF_INET, words[4 + 3 * f], &flow->client.sin_addr) != 1) {
            fprintf(stderr, "%s is no IPv4 address\n", words[4 + 3 * f]);
            return 2;
        }
        flow->rate = number(words[5 + 3 * f], MAX_RATE);
        flow->port_count = (int)number(words[6 + 3 * f], MAX_SOCKETS);
        flow->batch = (int)(flow->rate / TURNS_PER_S < 1 ? 1 : flow->rate / TURNS_PER_S);
        flow->batch = flow->batch > BATCH ? BATCH : flow->batch;
        flow->latency_room = flow->rate * seconds + 1;
        flow->latencies_us = zeroed((size_t)flow->latency_room, sizeof *flow->latencies_us);
        open_ports(flow, (uint16_t)server_port, epoll);
    }
    load(flows, flow_count, epoll, seconds);
    for (int f = 0; f < flow_count; f++)
        report(&flows[f]);
    return 0;
}
