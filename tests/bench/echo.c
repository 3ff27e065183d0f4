/* Servers that decide nothing, to measure against: `echo MODE PORT PROCESSES` on 127.0.0.1.
 *
 * echo       UDP, each datagram goes back with its QR bit set: what no server can undercut.
 * stream     the same over TCP.
 * authority  both, any name has an A record that lives for an hour; other types have no data.
 *
 * With more than one process, each has a socket of its own that shares the port.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 64,
    DATAGRAM = 4096,
    HEADER = 12,
    QUESTION_TAIL = 4,
    OPT_SIZE = 11,
    MAX_NAME = 255,
    MAX_PROCESSES = 64,
    CONNECTIONS = 16384,
    STREAM_BUFFER = 16384,
    RECEIVE_BUFFER = 4 << 20,
};

static const uint8_t ANSWER[] = {0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 7};
static const uint8_t OPT[OPT_SIZE] = {0, 0, 41, 0x04, 0xd0};

static void fail(const char *action) {
    perror(action);
    exit(1);
}

/* Makes a reply of the query in place; 0 where there is none to make. `message` has room for DATAGRAM bytes. */
typedef size_t (*reply_maker)(uint8_t *message, size_t size);

static size_t flip(uint8_t *message, size_t size) {
    if (size < HEADER)
        return 0;
    message[2] |= 0x80;
    return size;
}

/* The offset behind the one question; 0 where the message holds anything else there. */
static size_t question_end(const uint8_t *message, size_t size) {
    size_t at = HEADER;
    if (size < HEADER || message[4] != 0 || message[5] != 1)
        return 0;
    while (at < size && message[at] != 0) {
        if (message[at] > 63)
            return 0;
        at += 1 + message[at];
    }
    at += 1 + QUESTION_TAIL;
    return at <= size && at <= HEADER + MAX_NAME + QUESTION_TAIL ? at : 0;
}

static size_t resolve(uint8_t *message, size_t size) {
    size_t end = question_end(message, size);
    if (end == 0 || (message[2] & 0x80))
        return 0;
    int address = message[end - 4] == 0 && message[end - 3] == 1;
    int opt = message[10] != 0 || message[11] != 0;
    message[2] = (message[2] & 0x79) | 0x84; /* QR and AA, with the query's opcode and RD */
    message[3] = 0x80;
    memset(message + 6, 0, 6);
    message[7] = (uint8_t)address;
    message[11] = (uint8_t)opt;
    if (address) {
        memcpy(message + end, ANSWER, sizeof ANSWER);
        end += sizeof ANSWER;
    }
    if (opt) {
        memcpy(message + end, OPT, sizeof OPT);
        end += sizeof OPT;
    }
    return end;
}

static int bound(int type, uint16_t port) {
    int fd = socket(AF_INET, type, 0), yes = 1, room = RECEIVE_BUFFER;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) < 0)
        fail("open a socket");
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    else
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room); /* the kernel's limit is as good */
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
        fail("bind");
    return fd;
}

static void serve_datagrams(uint16_t port, reply_maker make) {
    static uint8_t buffers[BATCH][DATAGRAM];
    static struct sockaddr_in peers[BATCH];
    static struct mmsghdr in[BATCH], out[BATCH];
    static struct iovec inside[BATCH], outside[BATCH];
    int fd = bound(SOCK_DGRAM, port);
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            /* A question's end is checked against what came; an answer adds 27 bytes at most. */
            inside[i] = (struct iovec){buffers[i], DATAGRAM / 2};
            in[i].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_namelen = sizeof peers[i],
                                            .msg_iov = &inside[i], .msg_iovlen = 1};
        }
        int received = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL), replies = 0;
        if (received < 0 && errno != EINTR)
            fail("receive");
        for (int i = 0; i < received; i++) {
            size_t size = make(buffers[i], in[i].msg_len);
            if (size == 0)
                continue;
            outside[replies] = (struct iovec){buffers[i], size};
            out[replies].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_namelen = in[i].msg_hdr.msg_namelen,
                                                   .msg_iov = &outside[replies], .msg_iovlen = 1};
            replies++;
        }
        for (int sent = 0; sent < replies;) {
            int more = sendmmsg(fd, out + sent, (unsigned)(replies - sent), 0);
            sent += more > 0 ? more : 1; /* whom nothing can be sent to goes without */
        }
    }
}

struct connection {
    size_t held;
    uint8_t bytes[STREAM_BUFFER];
};

/* Moves the replies to all complete messages of `in` to `out`; gives how much of `in` is done with, STREAM_BUFFER + 1 for
 * what is no message. `out` has room: no reply is more than 28 bytes longer than its query of at least 14. */
static size_t make_replies(const uint8_t *in, size_t held, uint8_t *out, size_t *made, reply_maker make) {
    size_t done = 0;
    while (held - done >= 2) {
        size_t size = (size_t)in[done] << 8 | in[done + 1];
        if (size < HEADER || size > DATAGRAM / 2)
            return STREAM_BUFFER + 1;
        if (held - done < size + 2)
            break;
        memcpy(out + *made + 2, in + done + 2, size);
        size_t reply = make(out + *made + 2, size);
        out[*made] = (uint8_t)(reply >> 8);
        out[*made + 1] = (uint8_t)reply;
        *made += reply == 0 ? 0 : reply + 2;
        done += size + 2;
    }
    return done;
}

/* Answers every complete message that is there; gives 0 where the connection is to be closed. */
static int answer_messages(int fd, struct connection *one, reply_maker make) {
    static uint8_t out[4 * STREAM_BUFFER];
    size_t made = 0;
    ssize_t got = read(fd, one->bytes + one->held, STREAM_BUFFER - one->held);
    if (got <= 0)
        return 0;
    one->held += (size_t)got;
    size_t done = make_replies(one->bytes, one->held, out, &made, make);
    if (done > STREAM_BUFFER || (made != 0 && send(fd, out, made, MSG_NOSIGNAL) != (ssize_t)made))
        return 0;
    one->held -= done;
    memmove(one->bytes, one->bytes + done, one->held);
    return 1;
}

static void serve_streams(uint16_t port, reply_maker make) {
    static struct connection *connections[CONNECTIONS];
    struct epoll_event ready[BATCH], event = {.events = EPOLLIN};
    int listening = bound(SOCK_STREAM, port), poll = epoll_create1(0);
    event.data.fd = listening;
    if (listen(listening, 4096) < 0 || poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listening, &event) < 0)
        fail("listen");
    for (;;) {
        int count = epoll_wait(poll, ready, BATCH, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == listening) {
                fd = accept(listening, NULL, NULL);
                if (fd < 0)
                    continue;
                event.data.fd = fd;
                if (fd >= CONNECTIONS || !(connections[fd] = calloc(1, sizeof **connections)) ||
                    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0)
                    fail("accept");
            } else if (!answer_messages(fd, connections[fd], make)) {
                free(connections[fd]);
                close(fd);
            }
        }
    }
}

/* Gives 1 in a process of its own that ends with this one, and 0 in this one. */
static int forked(void) {
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    return child == 0;
}

static void serve(const char *mode, uint16_t port) {
    if (strcmp(mode, "echo") == 0)
        serve_datagrams(port, flip);
    if (strcmp(mode, "stream") == 0)
        serve_streams(port, flip);
    if (strcmp(mode, "authority") == 0 && forked())
        serve_streams(port, resolve);
    if (strcmp(mode, "authority") == 0)
        serve_datagrams(port, resolve);
    fprintf(stderr, "unknown mode %s\n", mode);
    exit(2);
}

int main(int count, char **words) {
    long port = count == 4 ? strtol(words[2], NULL, 10) : 0, processes = count == 4 ? strtol(words[3], NULL, 10) : 0;
    if (port < 1 || port > 65535 || processes < 1 || processes > MAX_PROCESSES) {
        fprintf(stderr, "usage: echo MODE PORT PROCESSES\n");
        return 2;
    }
    for (long i = 1; i < processes; i++)
        if (forked())
            break;
    serve(words[1], (uint16_t)port);
}
