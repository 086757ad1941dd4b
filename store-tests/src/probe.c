/* A builder without libraries for the tests: runs operations one after the other and says how each
   ended, so that a test can try what a builder must not be able to do.

     probe OPERATION ARGUMENT... [-- OPERATION ARGUMENT...]...

   A word that starts with `$` begins with the value of that variable: `$out/bin`. An operation that
   fails ends the probe, unless it is preceded by `try`. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static char *expand(char *word) {
    if (word[0] != '$') return word;
    size_t length = strcspn(word + 1, "/");
    char *name = strndup(word + 1, length), *value = getenv(name), *all;
    if (!value) { printf("no variable %s\n", name); exit(9); }
    if (asprintf(&all, "%s%s", value, word + 1 + length) < 0) exit(9);
    return all;
}

static int put(const char *path, const char *text, int flags, int mode) {
    int file = open(path, O_WRONLY | O_CREAT | flags, mode);
    if (file < 0) return -1;
    ssize_t length = strlen(text);
    return write(file, text, length) == length ? close(file) : -1;
}

static int show(const char *path) {
    char buffer[65536];
    int file = open(path, O_RDONLY);
    if (file < 0) return -1;
    ssize_t length;
    while ((length = read(file, buffer, sizeof buffer)) > 0) fwrite(buffer, 1, length, stdout);
    close(file);
    return length < 0 ? -1 : 0;
}

static int list(const char *path) {
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) return -1;
    for (int i = 0; i < count; i++)
        if (entries[i]->d_name[0] != '.') printf("%s\n", entries[i]->d_name);
    return 0;
}

static int tcp(const char *address, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    return s < 0 ? -1 : connect(s, (struct sockaddr *)&to, sizeof to);
}

static int abstract(const char *name) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strncpy(to.sun_path + 1, name, sizeof to.sun_path - 2);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    return s < 0 ? -1 : connect(s, (struct sockaddr *)&to, sizeof(sa_family_t) + 1 + strlen(name));
}

static int copy(const char *from, const char *to) {
    char buffer[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    if (in < 0 || out < 0) return -1;
    ssize_t length;
    while ((length = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, length) != length) return -1;
    close(in);
    return close(out);
}

static int stamp(const char *path) {
    char text[32];
    sprintf(text, "made at %ld", (long)time(NULL));
    return put(path, text, O_TRUNC, 0644);
}

static int randomly(const char *path) {
    char text[32];
    unsigned number;
    if (getrandom(&number, sizeof number, 0) < 0) return -1;
    sprintf(text, "drawn %u", number);
    return put(path, text, O_TRUNC, 0644);
}

static int by_cores(const char *folder, const char *to) {
    char from[4096];
    snprintf(from, sizeof from, "%s/%s", folder, getenv("NIX_BUILD_CORES"));
    return copy(from, to);
}

static int number(const char *path) {
    char text[32];
    sprintf(text, "process %d", getpid());
    return put(path, text, O_TRUNC, 0644);
}

/* Swaps two names for one another, for ever, in a process that is left behind. */
static int swapping(const char *one, const char *other) {
    if (fork()) return 0;
    setsid();
    for (;;) syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, 2);
}

/* Appends to a file, for ever, in a process that is left behind. */
static int scribbling(const char *path) {
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (file < 0 || fork()) return file < 0 ? -1 : 0;
    setsid();
    for (int i = 0; i < 200000; i++)
        if (write(file, "more ", 5) < 0) break;
    for (;;) pause();
}

static int listening(const char *name, int port) {
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    strncpy(local.sun_path + 1, name, sizeof local.sun_path - 2);
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_port = htons(port)};
    int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(a, (struct sockaddr *)&local, sizeof(sa_family_t) + 1 + strlen(name))) return -1;
    if (bind(b, (struct sockaddr *)&inet, sizeof inet)) return -1;
    return listen(a, 1) || listen(b, 1);
}

static int many(const char *folder, int count) {
    char path[4096];
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        int file = open(path, O_WRONLY | O_CREAT, 0644);
        if (file < 0) return -1;
        close(file);
    }
    return 0;
}

static int memory(long megabytes) {
    char *block = malloc(megabytes << 20);
    if (!block) return -1;
    memset(block, 1, megabytes << 20);
    __asm__ volatile("" : : "r"(block) : "memory");
    return 0;
}

static int bomb(void) {
    for (;;) {
        int child = fork();
        if (child < 0) return -1;
        if (!child) for (;;) pause();
    }
}

/* Opens for writing what was opened for reading, by its descriptor. */
static int reopen(const char *path) {
    char again[64];
    int file = open(path, O_RDONLY);
    if (file < 0) return -1;
    sprintf(again, "/proc/self/fd/%d", file);
    return open(again, O_WRONLY) < 0 ? -1 : 0;
}

static int map(const char *path) {
    int file = open(path, O_RDONLY);
    if (file < 0) return -1;
    return mmap(0, 1, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED ? -1 : 0;
}

static int lease(const char *path) {
    int file = open(path, O_RDONLY);
    return file < 0 ? -1 : fcntl(file, F_SETLEASE, F_WRLCK);
}

static int flags(const char *path) {
    long none = 0x40; /* FS_NODUMP_FL: an owner may set it */
    int file = open(path, O_RDONLY);
    return file < 0 ? -1 : ioctl(file, 0x40086602, &none);
}

/* Folders in one another, below one. */
static int deep(const char *folder, int count) {
    if (chdir(folder)) return -1;
    for (int i = 0; i < count; i++)
        if (mkdir("a", 0755) || chdir("a")) return -1;
    return 0;
}

/* Who owns what is visible, and what each may do with it; of processes only of this one. */
static int owned(const char *path, const struct stat *found, int kind, struct FTW *walk) {
    const char *name = path + walk->base;
    if (kind != FTW_NS) printf("%s %o %d %d\n", path, found->st_mode, found->st_uid, found->st_gid);
    int is_process = !strncmp(path, "/proc/", 6) && name[0] >= '1' && name[0] <= '9' && walk->level == 2;
    return is_process ? FTW_SKIP_SUBTREE : FTW_CONTINUE;
}

static int owners(void) {
    gid_t groups[64];
    printf("groups %d\n", getgroups(64, groups));
    return nftw("/", owned, 64, FTW_PHYS | FTW_ACTIONRETVAL) || nftw("/proc/self/", owned, 64, FTW_PHYS | FTW_ACTIONRETVAL);
}

/* One system call that has no operation of its own. */
static int call(const char *name) {
    static char zeros[256];
    struct timespec time = {0};
    struct iovec part = {zeros, 1};
    struct sched_param most = {.sched_priority = 1};
#define IS_CALL(word, result) if (!strcmp(name, word)) return (result) < 0 ? -1 : 0
    IS_CALL("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -4));
    IS_CALL("acct", syscall(SYS_acct, "/tmp/x"));
    IS_CALL("adjtimex", syscall(SYS_adjtimex, memset(zeros, 0xff, 4)));
    IS_CALL("clock_settime", clock_settime(CLOCK_REALTIME, &time));
    IS_CALL("clone", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    IS_CALL("clone3", syscall(SYS_clone3, zeros, 64));
    IS_CALL("delete_module", syscall(SYS_delete_module, "x", 0));
    IS_CALL("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    IS_CALL("init_module", syscall(SYS_init_module, zeros, 0, ""));
    IS_CALL("iopl", syscall(SYS_iopl, 3));
    IS_CALL("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
    IS_CALL("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/tmp", AT_FDCWD, "/build", 0));
    IS_CALL("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, zeros, 0));
    IS_CALL("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
    IS_CALL("openat2", syscall(SYS_openat2, AT_FDCWD, "/", zeros, 24));
    IS_CALL("perf_event_open", syscall(SYS_perf_event_open, zeros, 0, -1, -1, 0));
    IS_CALL("pidfd_getfd", syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, 1, 0), 0, 0));
    IS_CALL("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    IS_CALL("process_vm_readv", syscall(SYS_process_vm_readv, 1, &part, 1, &part, 1, 0));
    IS_CALL("quotactl", syscall(SYS_quotactl, 0, "/", 0, zeros));
    IS_CALL("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
    IS_CALL("sched_setscheduler", syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &most));
    IS_CALL("setdomainname", setdomainname("x", 1));
    IS_CALL("setgroups", syscall(SYS_setgroups, 0, 0));
    IS_CALL("setns", setns(open("/proc/self/ns/net", O_RDONLY), 0));
    IS_CALL("setpriority", setpriority(PRIO_PROCESS, 0, -10));
    IS_CALL("swapon", syscall(SYS_swapon, "/tmp/x", 0));
    IS_CALL("syslog", syscall(SYS_syslog, 3, zeros, sizeof zeros));
    IS_CALL("tiocsti", ioctl(0, TIOCSTI, "x"));
    IS_CALL("userfaultfd", syscall(SYS_userfaultfd, 0));
    IS_CALL("vhangup", syscall(SYS_vhangup));
    printf("probe: no call %s\n", name);
    exit(9);
}

static int operation(int n, char **a) {
#define IS(name, count) (!strcmp(a[0], name) && n == (count) + 1)
    if (IS("print", 1)) return printf("%s\n", a[1]) < 0;
    if (IS("read", 1)) return show(a[1]);
    if (IS("list", 1)) return list(a[1]);
    if (IS("write", 2)) return put(a[1], a[2], O_TRUNC, 0644);
    if (IS("append", 2)) return put(a[1], a[2], O_APPEND, 0644);
    if (IS("program", 2)) return put(a[1], a[2], O_TRUNC, 0755);
    if (IS("copy", 2)) return copy(a[1], a[2]);
    if (IS("stamp", 1)) return stamp(a[1]);
    if (IS("random", 1)) return randomly(a[1]);
    if (IS("number", 1)) return number(a[1]);
    if (IS("by-cores", 2)) return by_cores(a[1], a[2]);
    if (IS("mkdir", 1)) return mkdir(a[1], 0755);
    if (IS("remove", 1)) return remove(a[1]);
    if (IS("rename", 2)) return rename(a[1], a[2]);
    if (IS("symlink", 2)) return symlink(a[1], a[2]);
    if (IS("link", 2)) return link(a[1], a[2]);
    if (IS("chmod", 2)) return chmod(a[2], strtol(a[1], NULL, 8));
    if (IS("chroot", 1)) return chroot(a[1]);
    if (IS("fifo", 1)) return mkfifo(a[1], 0644);
    if (IS("device", 1)) return mknod(a[1], S_IFCHR | 0666, 0x103);
    if (IS("socket", 1)) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        strncpy(at.sun_path, a[1], sizeof at.sun_path - 1);
        return bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof at);
    }
    if (IS("xattr", 1)) return setxattr(a[1], "user.x", "y", 1, 0);
    if (IS("connect", 2)) return tcp(a[1], atoi(a[2]));
    if (IS("abstract", 1)) return abstract(a[1]);
    if (IS("mount", 1)) return mount("none", a[1], "tmpfs", 0, NULL);
    if (IS("remount", 1)) return mount(NULL, a[1], NULL, MS_REMOUNT | MS_BIND, NULL);
    if (IS("umount", 1)) return umount2(a[1], MNT_DETACH);
    if (IS("unshare", 0)) return unshare(CLONE_NEWUSER | CLONE_NEWNS);
    if (IS("ptrace", 1)) return ptrace(PTRACE_ATTACH, atoi(a[1]), NULL, NULL);
    if (IS("kill", 1)) return kill(atoi(a[1]), SIGKILL);
    if (IS("clock", 0)) return settimeofday(&(struct timeval){.tv_sec = 1}, NULL);
    if (IS("hostname", 1)) return sethostname(a[1], strlen(a[1]));
    if (IS("keyctl", 0)) return syscall(SYS_keyctl, 0, -3, 1) < 0 ? -1 : 0;
    char zeros[120] = {0};
    if (IS("io_uring", 0)) return syscall(SYS_io_uring_setup, 4, zeros) < 0 ? -1 : 0;
    if (IS("bpf", 0)) return syscall(SYS_bpf, 0, zeros, sizeof zeros) < 0 ? -1 : 0;
    if (IS("setuid", 1)) return setuid(atoi(a[1]));
    if (IS("ids", 0)) return printf("%d %d\n", getuid(), getgid()) < 0;
    if (IS("processes", 0)) {
        struct dirent *e;
        int count = 0;
        DIR *folder = opendir("/proc");
        if (!folder) return -1;
        while ((e = readdir(folder))) count += e->d_name[0] >= '1' && e->d_name[0] <= '9';
        return printf("%d\n", count) < 0;
    }
    if (IS("sleep", 1)) { usleep(1e6 * atof(a[1])); return 0; }
    if (IS("background", 1)) {
        if (fork()) return 0;
        setsid();
        usleep(1e6 * atof(a[1]));
        _exit(0);
    }
    if (IS("fork", 1)) {
        for (int i = 0; i < atoi(a[1]); i++) {
            int child = fork();
            if (child < 0) return -1;
            if (!child) for (;;) pause();
        }
        return 0;
    }
    if (IS("flood", 1)) {
        for (long i = 0; i < atol(a[1]); i++)
            puts("a line of sixty-four characters, over and over, until it ends..");
        return 0;
    }
    if (IS("fill", 2)) {
        static char block[65536];
        int file = open(a[1], O_WRONLY | O_CREAT, 0644);
        if (file < 0) return -1;
        for (long left = atol(a[2]); left > 0; left -= sizeof block)
            if (write(file, block, sizeof block) < 0) return -1;
        return close(file);
    }
    if (IS("swapping", 2)) return swapping(a[1], a[2]);
    if (IS("scribbling", 1)) return scribbling(a[1]);
    if (IS("listening", 2)) return listening(a[1], atoi(a[2]));
    if (IS("many", 2)) return many(a[1], atoi(a[2]));
    if (IS("memory", 1)) return memory(atol(a[1]));
    if (IS("bomb", 0)) return bomb();
    if (IS("reopen", 1)) return reopen(a[1]);
    if (IS("map", 1)) return map(a[1]);
    if (IS("lease", 1)) return lease(a[1]);
    if (IS("flags", 1)) return flags(a[1]);
    if (IS("call", 1)) return call(a[1]);
    if (IS("family", 1)) return socket(atoi(a[1]), SOCK_RAW, 0) < 0 ? -1 : 0;
    if (IS("raw", 0)) return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0 ? -1 : 0;
    if (IS("setuid-file", 1)) return put(a[1], "x", 0, 04755);
    if (IS("chown", 1)) return chown(a[1], 0, 0);
    if (IS("truncate", 1)) return truncate(a[1], 0);
    if (IS("touch", 1)) return utimes(a[1], NULL);
    if (IS("readlink", 1)) { char to[4096]; return readlink(a[1], to, sizeof to) < 0 ? -1 : 0; }
    if (IS("segment", 1)) return shmget(atoi(a[1]), 4096, 0) < 0 ? -1 : 0;
    if (IS("make-segment", 1)) return shmget(atoi(a[1]), 4096, IPC_CREAT | 0666) < 0 ? -1 : 0;
    if (IS("deep", 2)) return deep(a[1], atoi(a[2]));
    if (IS("sparse", 2)) return put(a[1], "x", O_TRUNC, 0644) || truncate(a[1], atoll(a[2]));
    if (IS("owners", 0)) return owners();
    if (IS("limits", 0)) {
        for (int limit = 0; limit < 16; limit++) {
            struct rlimit found;
            if (getrlimit(limit, &found)) return -1;
            printf("limit %d %llu %llu\n", limit, (unsigned long long)found.rlim_cur, (unsigned long long)found.rlim_max);
        }
        return 0;
    }
    if (IS("space", 1)) {
        struct statvfs f;
        if (statvfs(a[1], &f)) return -1;
        return printf("%llu\n", (unsigned long long)f.f_blocks * f.f_frsize) < 0;
    }
    if (IS("exit", 1)) exit(atoi(a[1]));
    if (IS("environment", 0)) {
        for (char **e = environ; *e; e++) puts(*e);
        return 0;
    }
    printf("probe: no operation %s of %d words\n", a[0], n - 1);
    exit(9);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int at = 1; at < argc;) {
        int end = at;
        while (end < argc && strcmp(argv[end], "--")) end++;
        int try = !strcmp(argv[at], "try");
        char *words[16]; int n = 0;
        for (int i = at + try; i < end && n < 16; i++) words[n++] = expand(argv[i]);
        errno = 0;
        int bad = n ? operation(n, words) : 0;
        if (try) printf("%s: %s\n", words[0], bad ? strerrorname_np(errno) : "done");
        else if (bad) { printf("%s %s: %s\n", words[0], n > 1 ? words[1] : "", strerrorname_np(errno)); return 1; }
        at = end + 1;
    }
    return 0;
}
