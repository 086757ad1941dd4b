/* Runs a program and disturbs it at chosen system calls, or records how it changes files.

     fault ROOT REPORT CLASS ACTION NUMBER ERROR PROGRAM ARGUMENT...

   The program's process (all its threads, not its children) makes system calls of a CLASS on what is
   below ROOT; they are counted from 1. At call NUMBER happens what ACTION says:

     count     nothing
     kill      the process is killed instead
     torn      the call is done, a write only half, and then the process is killed
     fail      the call is not done and gives ERROR
     from      as fail, and so do all calls of the class after it
     short     half of the bytes are read or written
     record    nothing; REPORT gets all changes (see `emit`)

   REPORT gets one line: how many calls there were, and which one was disturbed. The exit status is the
   program's, or 128 and the signal. Calls are seen where the kernel takes them (seccomp and ptrace), so
   it does not matter by which library they are made. Children are traced and left alone. */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHANGE = 1, SPACE = 2, IO = 4, OPEN = 8, SLOW = 16, DATA = 32, MOVE = 64 };

/* Which arguments of a call say what it is about: `at` a folder, `path` a path, `at2` and `path2` a
   second pair, `fd` an open file, `length` how many bytes. -1 where there is none. */
struct call {
    long number;
    const char *name;
    int classes, at, path, at2, path2, fd, length;
};

#define PATH(n, at, path) {SYS_##n, #n, CHANGE | SPACE | IO, at, path, -1, -1, -1, -1}
#define GONE(n, at, path) {SYS_##n, #n, CHANGE | IO, at, path, -1, -1, -1, -1}
#define TWO(n, a, b, c, d) {SYS_##n, #n, CHANGE | SPACE | IO, a, b, c, d, -1, -1}
#define MOVES(n, a, b, c, d) {SYS_##n, #n, CHANGE | SPACE | IO | MOVE, a, b, c, d, -1, -1}
#define FD(n, classes) {SYS_##n, #n, classes, -1, -1, -1, -1, 0, -1}
#define BYTES(n, classes, fd, length) {SYS_##n, #n, classes, -1, -1, -1, -1, fd, length}
#define ANY(n, classes) {SYS_##n, #n, classes, -1, -1, -1, -1, -1, -1}

static const struct call calls[] = {
    {SYS_open, "open", CHANGE | SPACE | IO | OPEN | SLOW, -1, 0, -1, -1, -1, -1},
    {SYS_openat, "openat", CHANGE | SPACE | IO | OPEN | SLOW, 0, 1, -1, -1, -1, -1},
    {SYS_creat, "creat", CHANGE | SPACE | IO | OPEN | SLOW, -1, 0, -1, -1, -1, -1},
    BYTES(write, CHANGE | SPACE | IO | SLOW | DATA, 0, 2),
    BYTES(pwrite64, CHANGE | SPACE | IO | SLOW | DATA, 0, 2),
    BYTES(writev, CHANGE | SPACE | IO | SLOW | DATA, 0, 2),
    BYTES(pwritev, CHANGE | SPACE | IO | SLOW | DATA, 0, 2),
    BYTES(pwritev2, CHANGE | SPACE | IO | SLOW | DATA, 0, 2),
    BYTES(copy_file_range, CHANGE | SPACE | IO | SLOW | DATA, 2, 4),
    BYTES(sendfile, CHANGE | SPACE | IO | SLOW | DATA, 0, 3),
    BYTES(splice, CHANGE | SPACE | IO | SLOW | DATA, 2, 4),
    BYTES(read, IO | SLOW | DATA, 0, 2),
    BYTES(pread64, IO | SLOW | DATA, 0, 2),
    FD(getdents64, IO),
    FD(ftruncate, CHANGE | SPACE | IO | SLOW),
    FD(fallocate, CHANGE | SPACE | IO | SLOW),
    FD(fsync, CHANGE | SPACE | IO | SLOW),
    FD(fdatasync, CHANGE | SPACE | IO | SLOW),
    FD(syncfs, CHANGE | SPACE | IO | SLOW),
    FD(fchmod, CHANGE | IO),
    FD(fchown, CHANGE | IO),
    FD(fsetxattr, CHANGE | SPACE | IO),
    FD(fremovexattr, CHANGE | IO),
    FD(flock, IO | SLOW),
    PATH(mkdir, -1, 0), PATH(mkdirat, 0, 1), PATH(mknod, -1, 0), PATH(mknodat, 0, 1),
    PATH(symlink, -1, 1), PATH(symlinkat, 1, 2),
    PATH(truncate, -1, 0),
    GONE(unlink, -1, 0), GONE(unlinkat, 0, 1), GONE(rmdir, -1, 0),
    GONE(chmod, -1, 0), GONE(fchmodat, 0, 1), GONE(chown, -1, 0), GONE(lchown, -1, 0),
    GONE(fchownat, 0, 1), GONE(utimensat, 0, 1),
#ifdef SYS_fchmodat2
    GONE(fchmodat2, 0, 1),
#endif
    GONE(lremovexattr, -1, 0), GONE(removexattr, -1, 0), GONE(lsetxattr, -1, 0),
    MOVES(rename, -1, 0, -1, 1), MOVES(renameat, 0, 1, 2, 3), MOVES(renameat2, 0, 1, 2, 3),
    TWO(link, -1, 0, -1, 1), TWO(linkat, 0, 1, 2, 3),
    {SYS_statx, "statx", IO, 0, 1, -1, -1, -1, -1},
    {SYS_newfstatat, "newfstatat", IO, 0, 1, -1, -1, -1, -1},
    {SYS_readlink, "readlink", IO, -1, 0, -1, -1, -1, -1},
    {SYS_readlinkat, "readlinkat", IO, 0, 1, -1, -1, -1, -1},
    ANY(sync, CHANGE),
    ANY(socket, OPEN), ANY(socketpair, OPEN), ANY(pipe2, OPEN), ANY(dup, OPEN), ANY(eventfd2, OPEN),
    ANY(epoll_create1, OPEN), ANY(memfd_create, OPEN), ANY(pidfd_open, OPEN), ANY(accept4, OPEN | SLOW),
    ANY(wait4, SLOW), ANY(waitid, SLOW), ANY(poll, SLOW), ANY(ppoll, SLOW), ANY(epoll_wait, SLOW),
    ANY(epoll_pwait, SLOW), ANY(connect, SLOW), ANY(recvfrom, SLOW), ANY(recvmsg, SLOW),
    ANY(sendto, SLOW), ANY(sendmsg, SLOW),
};
enum { CALLS = sizeof calls / sizeof *calls };

/* A thread between the start and the end of a call. */
struct thread {
    pid_t id;
    const struct call *call;
    uint64_t args[6], changed;
    char path[PATH_MAX], path2[PATH_MAX];
    uint64_t inode, other;
    unsigned long before;
    int kill;
};

static char root[PATH_MAX];
static size_t root_length;
static pid_t program;
static FILE *report;
static int class, number, error;
static const char *action;
static unsigned long count, emitted;
static char what[2 * PATH_MAX];
static int begun;
static struct thread threads[512];

static _Noreturn void die(const char *why) {
    fprintf(stderr, "fault: %s: %s\n", why, strerror(errno));
    exit(99);
}

static int recording(void) { return !strcmp(action, "record"); }

/* The slot of a thread. */
static struct thread *thread_of(pid_t id) {
    for (int i = 0; i < 512; i++)
        if (threads[i].id == id) return &threads[i];
    for (int i = 0; i < 512; i++)
        if (!threads[i].id) {
            threads[i].id = id;
            return &threads[i];
        }
    errno = EAGAIN;
    die("too many threads");
}

static int in_root(const char *path) {
    return !strncmp(path, root, root_length) && (!path[root_length] || path[root_length] == '/');
}

/* Where a link of /proc leads. */
static void linked(pid_t id, const char *format, int fd, char *to) {
    char link[64];
    snprintf(link, sizeof link, format, id, fd);
    ssize_t length = readlink(link, to, PATH_MAX - 1);
    to[length < 0 ? 0 : length] = 0;
}

/* The text at an address of the thread. */
static void text(pid_t id, uint64_t at, char *to, size_t size) {
    size_t have = 0;
    while (have < size - 1) {
        size_t page = 4096 - (at + have) % 4096, left = size - 1 - have, part = page < left ? page : left;
        struct iovec here = {to + have, part}, there = {(void *)(uintptr_t)(at + have), part};
        ssize_t got = process_vm_readv(id, &here, 1, &there, 1, 0);
        if (got <= 0) break;
        if (memchr(to + have, 0, got)) return;
        have += got;
    }
    to[have] = 0;
}

/* The absolute path that a pair of arguments means. A null pointer means the folder's own file. */
static void path_of(const struct thread *t, int at, int path, char *to) {
    char name[PATH_MAX];
    to[0] = 0;
    if (path < 0) return;
    name[0] = 0;
    if (t->args[path]) text(t->id, t->args[path], name, sizeof name);
    if (name[0] == '/') {
        strcpy(to, name);
        return;
    }
    int folder = at < 0 ? AT_FDCWD : (int)t->args[at];
    if (folder == AT_FDCWD) linked(t->id, "/proc/%d/cwd", 0, to);
    else linked(t->id, "/proc/%d/fd/%d", folder, to);
    size_t length = strlen(to);
    if (name[0] && length + strlen(name) + 2 < PATH_MAX) {
        to[length] = '/';
        strcpy(to + length + 1, name);
    }
}

/* Whether a call counts: it is of the class and about something below the root. */
static int counts(struct thread *t) {
    const struct call *c = t->call;
    t->path[0] = t->path2[0] = 0;
    if (c->path >= 0) path_of(t, c->at, c->path, t->path);
    else if (c->fd >= 0) linked(t->id, "/proc/%d/fd/%d", (int)t->args[c->fd], t->path);
    path_of(t, c->at2, c->path2, t->path2);
    int inside = in_root(t->path) || in_root(t->path2);
    begun |= inside;
    if (c->number == SYS_open || c->number == SYS_openat || c->number == SYS_creat) {
        int flags = c->number == SYS_creat ? O_CREAT : (int)t->args[c->at < 0 ? 1 : 2];
        if (class == CHANGE && !(flags & (O_CREAT | O_TRUNC))) return 0;
        if (class == SPACE && !(flags & O_CREAT)) return 0;
    }
    if (class == DATA && c->length >= 0 && t->args[c->length] < 2) return 0;
    /* what the program loader opens is not the program's business; /proc interrupts nobody */
    if (class == SLOW && !strncmp(t->path, "/proc/", 6)) return 0;
    if (class == OPEN || class == SLOW) return begun;
    return inside || c->number == SYS_sync;
}

/* --- the record: lines of fields, content behind them ---

     I inode kind mode seconds bytes LF content LF   an inode as it is found or made: f file, d folder,
                                                     l symlink; nothing of it is on disk yet
     N folder inode name          a name is given to an inode, or taken away where it is 0
     R folder folder inode other name/name    a name moves; where `other` is not 0, that inode has the
                                              first name from then on
     D inode offset bytes LF content LF
     T inode size
     A inode mode seconds
     S before inode               an inode is synced, with what was recorded up to `before`
     Y before                     so is everything
     B                            what comes before was there and is on disk */

static uint64_t *seen;
static size_t seen_count, seen_room;

static int is_seen(uint64_t inode) {
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i] == inode) return 1;
    return 0;
}

static void put_file(const char *path, uint64_t from, uint64_t length) {
    static char buffer[65536];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) die(path);
    while (length) {
        ssize_t got = pread(file, buffer, length < sizeof buffer ? length : sizeof buffer, from);
        if (got < 0) die(path);
        if (!got) { /* it has become shorter meanwhile */
            fputc(0, report);
            got = 1;
        } else {
            fwrite(buffer, 1, got, report);
        }
        from += got;
        length -= got;
    }
    close(file);
    fputc('\n', report);
}

static void emit_inode(const char *path, const struct stat *s) {
    if (seen_count == seen_room) seen = realloc(seen, sizeof *seen * (seen_room = 2 * seen_room + 64));
    seen[seen_count++] = s->st_ino;
    char kind = S_ISDIR(s->st_mode) ? 'd' : S_ISLNK(s->st_mode) ? 'l' : 'f';
    uint64_t size = kind == 'd' ? 0 : s->st_size;
    fprintf(report, "I %lu %c %o %ld %lu\n", s->st_ino, kind, s->st_mode & 07777, s->st_mtime, size);
    emitted++;
    if (kind == 'f') {
        put_file(path, 0, size);
    } else {
        char target[PATH_MAX];
        ssize_t length = kind == 'l' ? readlink(path, target, sizeof target) : 0;
        fwrite(target, 1, length < 0 ? 0 : length, report);
        fputc('\n', report);
    }
}

/* The inode of the folder that a path is in; its name in it. */
static uint64_t folder_of(const char *path, const char **name) {
    char folder[PATH_MAX];
    struct stat s;
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    *slash = 0;
    *name = path + (slash - folder) + 1;
    return stat(folder, &s) < 0 ? 0 : s.st_ino;
}

static void emit_name(const char *path, uint64_t inode) {
    const char *name;
    uint64_t folder = folder_of(path, &name);
    fprintf(report, "N %lu %lu %s\n", folder, inode, name);
    emitted++;
}

/* Takes up what is at a path and below it, as far as it is not known. */
static void adopt(const char *path, int deep) {
    struct stat s;
    if (lstat(path, &s) < 0 || S_ISSOCK(s.st_mode) || S_ISFIFO(s.st_mode)) return;
    int known = is_seen(s.st_ino);
    if (!known) emit_inode(path, &s);
    /* at the start every name of a file is new */
    if ((!known || !program) && strcmp(path, root)) emit_name(path, s.st_ino);
    DIR *folder = deep && S_ISDIR(s.st_mode) ? opendir(path) : NULL;
    if (!folder) return;
    for (struct dirent *e; (e = readdir(folder));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        char below[PATH_MAX];
        snprintf(below, sizeof below, "%.2000s/%s", path, e->d_name);
        adopt(below, 1);
    }
    closedir(folder);
}

/* Takes up the folders above a path, then itself. */
static void adopt_way(const char *path, int deep) {
    if (!in_root(path)) return;
    char part[PATH_MAX];
    for (const char *slash = strchr(path + root_length, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        adopt(part, 0);
    }
    adopt(path, deep);
}

static void emit_start(struct thread *t) {
    struct stat s;
    long n = t->call->number;
    int renames = n == SYS_rename || n == SYS_renameat || n == SYS_renameat2;
    int exchanges = n == SYS_renameat2 && t->args[4] & RENAME_EXCHANGE;
    adopt_way(t->path, renames);
    if (t->path2[0]) adopt_way(t->path2, exchanges);
    if (n == SYS_syncfs || n == SYS_sync) adopt(root, 1);
    t->inode = lstat(t->path, &s) < 0 ? 0 : s.st_ino;
    t->other = exchanges && lstat(t->path2, &s) == 0 ? s.st_ino : 0;
    t->before = emitted;
}

static uint64_t position(pid_t id, int fd) {
    char name[64], line[128];
    uint64_t at = 0;
    snprintf(name, sizeof name, "/proc/%d/fdinfo/%d", id, fd);
    FILE *info = fopen(name, "r");
    if (!info) die(name);
    while (fgets(line, sizeof line, info))
        if (sscanf(line, "pos: %lu", &at) == 1) break;
    fclose(info);
    return at;
}

static void emit_end(struct thread *t, int64_t result) {
    struct stat s, of;
    char fd[64];
    long n = t->call->number;
    int number = t->call->fd < 0 ? -1 : (int)t->args[t->call->fd];
    switch (n) {
    case SYS_open: case SYS_openat: case SYS_creat: number = result;
    }
    snprintf(fd, sizeof fd, "/proc/%d/fd/%d", t->id, number);
    int opened = number >= 0 && stat(fd, &of) == 0;
    switch (n) {
    case SYS_open: case SYS_openat: case SYS_creat:
        if (!opened || !S_ISREG(of.st_mode)) return;
        if (!is_seen(of.st_ino)) {
            emit_inode(fd, &of);
            emit_name(t->path, of.st_ino);
        } else if (n == SYS_creat || t->args[t->call->at < 0 ? 1 : 2] & O_TRUNC) {
            fprintf(report, "T %lu 0\n", of.st_ino);
            emitted++;
        }
        return;
    case SYS_write: case SYS_writev: case SYS_copy_file_range: case SYS_sendfile: case SYS_splice:
    case SYS_pwrite64: case SYS_pwritev: case SYS_pwritev2: {
        if (!opened || !S_ISREG(of.st_mode) || !result) return;
        int placed = n == SYS_pwrite64 || n == SYS_pwritev || n == SYS_pwritev2;
        uint64_t at = placed ? t->args[3] : position(t->id, number) - result;
        fprintf(report, "D %lu %lu %lu\n", of.st_ino, at, (unsigned long)result);
        emitted++;
        put_file(fd, at, result);
        return;
    }
    case SYS_ftruncate: case SYS_fallocate:
        if (!opened) return;
        fprintf(report, "T %lu %lu\n", of.st_ino, of.st_size);
        emitted++;
        return;
    case SYS_fsync: case SYS_fdatasync:
        if (!opened) return;
        fprintf(report, "S %lu %lu\n", t->before, of.st_ino);
        emitted++;
        return;
    case SYS_syncfs: case SYS_sync:
        fprintf(report, "Y %lu\n", t->before);
        emitted++;
        return;
    case SYS_mkdir: case SYS_mkdirat: case SYS_symlink: case SYS_symlinkat:
        adopt_way(t->path, 0);
        return;
    case SYS_link: case SYS_linkat:
        if (lstat(t->path2, &s) == 0) emit_name(t->path2, s.st_ino);
        return;
    case SYS_unlink: case SYS_unlinkat: case SYS_rmdir: emit_name(t->path, 0); return;
    case SYS_rename: case SYS_renameat: case SYS_renameat2: {
        const char *from, *to;
        uint64_t old = folder_of(t->path, &from), new = folder_of(t->path2, &to);
        fprintf(report, "R %lu %lu %lu %lu %s/%s\n", old, new, t->inode, t->other, from, to);
        emitted++;
        return;
    }
    case SYS_chmod: case SYS_fchmodat: case SYS_utimensat: case SYS_fchmod:
#ifdef SYS_fchmodat2
    case SYS_fchmodat2:
#endif
        if (opened) s = of;
        else if (lstat(t->path, &s) < 0) return;
        fprintf(report, "A %lu %o %ld\n", s.st_ino, s.st_mode & 07777, s.st_mtime);
        emitted++;
    }
}

/* --- tracing --- */

static void set_argument(pid_t id, int argument, uint64_t value) {
    struct user_regs_struct r;
    ptrace(PTRACE_GETREGS, id, 0, &r);
    switch (argument) {
    case 2: r.rdx = value; break;
    case 3: r.r10 = value; break;
    case 4: r.r8 = value; break;
    }
    ptrace(PTRACE_SETREGS, id, 0, &r);
}

static void refuse(pid_t id) {
    struct user_regs_struct r;
    ptrace(PTRACE_GETREGS, id, 0, &r);
    r.orig_rax = -1;
    r.rax = -(int64_t)error;
    ptrace(PTRACE_SETREGS, id, 0, &r);
}

static int is_program(pid_t id) {
    char task[64];
    snprintf(task, sizeof task, "/proc/%d/task/%d", program, id);
    return access(task, F_OK) == 0;
}

/* A call starts. Gives how the thread goes on. */
static int start(pid_t id) {
    if (!is_program(id)) return PTRACE_CONT;
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, id, sizeof info, &info) <= 0) return PTRACE_CONT;
    struct thread *t = thread_of(id);
    t->call = NULL;
    t->changed = t->kill = 0;
    for (int i = 0; i < CALLS; i++)
        if ((uint64_t)calls[i].number == info.seccomp.nr) t->call = &calls[i];
    for (int i = 0; i < 6; i++) t->args[i] = info.seccomp.args[i];
    if (!t->call || !counts(t)) return PTRACE_CONT;
    if (recording()) {
        emit_start(t);
        return PTRACE_SYSCALL;
    }
    unsigned long at = ++count;
    int all = !strcmp(action, "from");
    if (all ? at < (unsigned)number : at != (unsigned)number) return PTRACE_CONT;
    if (!what[0]) snprintf(what, sizeof what, "%s %s%s%s", t->call->name, t->path, t->path2[0] ? " " : "", t->path2);
    if (!strcmp(action, "kill")) {
        kill(program, SIGKILL);
        return PTRACE_CONT;
    }
    if (all || !strcmp(action, "fail")) {
        refuse(id);
        return PTRACE_CONT;
    }
    if (!strcmp(action, "count")) return PTRACE_CONT;
    int length = t->call->length;
    t->kill = !strcmp(action, "torn");
    if (length >= 0 && t->args[length] > 1) {
        t->changed = 1;
        set_argument(id, length, t->args[length] / 2);
    }
    return PTRACE_SYSCALL;
}

/* A call ends. */
static void end(pid_t id) {
    struct thread *t = thread_of(id);
    struct __ptrace_syscall_info info;
    if (!t->call || ptrace(PTRACE_GET_SYSCALL_INFO, id, sizeof info, &info) <= 0) return;
    if (t->changed) set_argument(id, t->call->length, t->args[t->call->length]);
    if (t->kill) kill(program, SIGKILL);
    if (recording() && !info.exit.is_error) emit_end(t, info.exit.rval);
    t->call = NULL;
}

/* Stops at every call of the class. */
static void filter(void) {
    struct sock_filter code[4 + 2 * CALLS];
    int n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < CALLS; i++) {
        if (!(calls[i].classes & class)) continue;
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    struct sock_filter last[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_filter all[5 + 2 * CALLS];
    memcpy(all, code, n * sizeof *code);
    all[n++] = last[0];
    struct sock_fprog fprog = {n, all};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("no_new_privs");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog)) die("seccomp");
}

int main(int argc, char **argv) {
    static const char *names[] = {"change", "space", "io", "open", "slow", "data", "move"};
    if (argc < 8 || !realpath(argv[1], root)) die("usage: ROOT REPORT CLASS ACTION NUMBER ERROR PROGRAM...");
    root_length = strlen(root);
    report = fopen(argv[2], "we");
    if (!report) die(argv[2]);
    for (int i = 0; i < 7; i++)
        if (!strcmp(argv[3], names[i])) class = 1 << i;
    action = argv[4];
    number = atoi(argv[5]);
    error = atoi(argv[6]);
    /* what hangs is ended: the kernel kills what is traced with its tracer */
    alarm(120);
    if (recording()) {
        adopt(root, 1);
        fputs("B\n", report);
        emitted++;
    }
    fflush(report);
    int go[2];
    if (pipe2(go, O_CLOEXEC)) die("pipe");
    program = fork();
    if (!program) {
        char byte;
        if (read(go[0], &byte, 1) != 1) _exit(99);
        filter();
        execv(argv[7], argv + 7);
        die(argv[7]);
    }
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                   PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, program, 0, options)) die("ptrace");
    if (write(go[1], "g", 1) != 1) die("pipe");
    int status = 0, state;
    pid_t id;
    while ((id = waitpid(-1, &state, __WALL)) > 0) {
        if (!WIFSTOPPED(state)) {
            if (id == program) status = state;
            for (int i = 0; i < 512; i++)
                if (threads[i].id == id) threads[i].id = 0;
            continue;
        }
        int event = state >> 16, signal = WSTOPSIG(state), request = PTRACE_CONT;
        long pass = 0;
        if (event == PTRACE_EVENT_SECCOMP) request = start(id);
        else if (signal == (SIGTRAP | 0x80)) end(id);
        else if (event == PTRACE_EVENT_STOP) {
            if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)
                request = PTRACE_LISTEN;
        } else if (!event) pass = signal;
        /* it may have been killed meanwhile */
        ptrace(request, id, 0, pass);
    }
    if (!recording()) fprintf(report, "%lu %s\n", count, what);
    if (fclose(report)) die("report");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
