// What the sandbox's tests run inside: each argument is one attempt, each prints one line,
// "<attempt>: ok ..." or "<attempt>: <error>". Linked statically, since inside there is no library.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

extern char **environ;
static const char *attempt;

static void said(long result, const char *more) {
    if (result < 0) printf("%s: %s\n", attempt, strerrorname_np(errno));
    else printf("%s: ok%s%s\n", attempt, *more ? " " : "", more);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

static void list(const char *path) {
    char *names[512], line[8192] = "";
    int n = 0;
    DIR *dir = opendir(path);
    if (!dir) return said(-1, "");
    for (struct dirent *e; (e = readdir(dir)) && n < 512;)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) names[n++] = strdup(e->d_name);
    qsort(names, n, sizeof *names, by_name);
    for (int i = 0; i < n; i++) strcat(strcat(line, i ? " " : ""), names[i]);
    said(0, line);
}

static void show(const char *path) {
    char text[8192] = "";
    int fd = open(path, O_RDONLY);
    long n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n >= 0) text[n && text[n - 1] == '\n' ? n - 1 : n] = 0;
    said(n, text);
}

static void put(const char *path, int flags, int mode) {
    int fd = open(path, O_WRONLY | flags, mode);
    said(fd < 0 ? -1 : write(fd, "x", 1), "");
    if (fd >= 0) close(fd);
}

static void text(const char *argument) {
    char *path = strdup(argument), *content = strchr(path, ':');
    *content++ = 0;
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    said(fd < 0 ? -1 : write(fd, content, strlen(content)), "");
    if (fd >= 0) close(fd);
}

static void dial(int family, const char *address) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    inet_pton(AF_INET, address, &to.sin_addr);
    int s = socket(family, SOCK_STREAM, 0);
    said(s < 0 ? -1 : connect(s, (struct sockaddr *)&to, sizeof to), "");
}

static void dial_port(const char *argument) {
    char *address = strdup(argument), *port = strchr(address, ':');
    *port++ = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_pton(AF_INET, address, &to.sin_addr);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    said(s < 0 ? -1 : connect(s, (struct sockaddr *)&to, sizeof to), "");
}

static void background(void) {
    if (!fork()) {
        setsid();
        if (!fork()) for (;;) pause();
        _exit(0);
    }
    wait(0);
    said(0, "");
}

static void identity(void) {
    char line[512];
    struct utsname u;
    char domain[65];
    uname(&u);
    getdomainname(domain, sizeof domain);
    snprintf(line, sizeof line, "uid %d gid %d pid %d ppid %d sid %d host %s domain %s umask %03o", getuid(),
             getgid(), getpid(), getppid(), getsid(0), u.nodename, domain, umask(022));
    said(0, line);
}

static void status(const char *key) {
    char line[256], *rest = "";
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return said(-1, "");
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key))) { rest = line + strlen(key) + 2; break; }
    rest[strcspn(rest, "\n")] = 0;
    said(0, rest);
    fclose(f);
}

static void limit(int which) {
    char line[64];
    struct rlimit l;
    getrlimit(which, &l);
    snprintf(line, sizeof line, "%lld %lld", (long long)l.rlim_cur, (long long)l.rlim_max);
    said(0, line);
}

static void abstract_socket(const char *name) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(to.sun_path + 1, name);
    said(connect(s, (struct sockaddr *)&to, sizeof(sa_family_t) + 1 + strlen(name)), "");
}

static void x32_call(void) {
    int code;
    pid_t child = fork();
    if (!child) { syscall(0x40000000 + SYS_getpid); _exit(0); }
    waitpid(child, &code, 0);
    printf("%s: %s\n", attempt, WIFSIGNALED(code) ? strsignal(WTERMSIG(code)) : "ok");
}

static void fork_bomb(void) {
    int n = 0;
    pid_t child;
    while (n < 200000 && (child = fork()) > 0) n++;
    if (!child) { for (;;) pause(); }
    said(-1, "");
}

static void fill(const char *argument) {
    static char block[4096];
    char *path = strdup(argument), *size = strchr(path, ':');
    *size++ = 0;
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    long n = fd < 0 ? -1 : 0;
    memset(block, 'x', sizeof block);
    for (long left = atol(size); n >= 0 && left > 0; left -= sizeof block) n = write(fd, block, sizeof block);
    said(n, "");
    close(fd);
}

static void memory(long megabytes) {
    char *block = malloc(megabytes << 20);
    if (block) memset(block, 1, megabytes << 20);
    __asm__ volatile("" : : "r"(block) : "memory");
    said(block ? 0 : -1, "");
    free(block);
}

static void terminal(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    said(master < 0 || grantpt(master) || unlockpt(master) ? -1 : 0, master < 0 ? "" : ptsname(master));
}

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        char *word = strdup(argv[i]), *arg = strchr(word, '=');
        attempt = argv[i];
        if (arg) *arg++ = 0;
        struct timeval now = {0};
        int clone3_args[16] = {0};
        char path[512];
#define IS(name) (!strcmp(word, name))
        if (IS("list")) list(arg);
        else if (IS("show")) show(arg);
        else if (IS("say")) printf("%s\n", arg);
        else if (IS("write")) put(arg, 0, 0);
        else if (IS("create")) put(arg, O_CREAT, 0644);
        else if (IS("create-setuid")) put(arg, O_CREAT, 04755);
        else if (IS("text")) text(arg);
        else if (IS("variable")) said(getenv(arg) ? 0 : -1, getenv(arg) ? getenv(arg) : "");
        else if (IS("mkdir")) said(mkdir(arg, 0755), "");
        else if (IS("remove")) said(remove(arg), "");
        else if (IS("read-link")) { long n = readlink(arg, path, 511); path[n < 0 ? 0 : n] = 0; said(n, path); }
        else if (IS("link")) said(symlink("/etc/passwd", arg), "");
        else if (IS("link-to")) { char *to = strchr(arg, ':'); *to++ = 0; said(symlink(to, arg), ""); }
        else if (IS("fifo")) said(mkfifo(arg, 0644), "");
        else if (IS("rename")) { sprintf(path, "%s.moved", arg); said(rename(arg, path), ""); }
        else if (IS("chmod")) said(chmod(arg, 0777), "");
        else if (IS("chmod-setuid")) said(chmod(arg, 04755), "");
        else if (IS("chmod-setgid")) said(fchmodat(AT_FDCWD, arg, 02755, 0), "");
        else if (IS("chown")) said(chown(arg, 0, 0), "");
        else if (IS("xattr")) said(setxattr(arg, "user.x", "y", 1, 0), "");
        else if (IS("device")) said(mknod(arg, S_IFCHR | 0666, 0x103), "");
        else if (IS("environment")) for (char **e = environ; *e; e++) printf("%s\n", *e);
        else if (IS("directory")) said(0, getcwd(path, sizeof path));
        else if (IS("identity")) identity();
        else if (IS("status")) status(arg);
        else if (IS("limit")) limit(atoi(arg));
        else if (IS("connect")) dial(AF_INET, arg);
        else if (IS("dial")) dial_port(arg);
        else if (IS("rename-to")) { char *to = strchr(arg, ':'); *to++ = 0; said(rename(arg, to), ""); }
        else if (IS("socket")) said(socket(atoi(arg), SOCK_STREAM, 0), "");
        else if (IS("raw-socket")) said(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), "");
        else if (IS("abstract")) abstract_socket(arg);
        else if (IS("unshare-user")) said(unshare(CLONE_NEWUSER), "");
        else if (IS("unshare-mount")) said(unshare(CLONE_NEWNS), "");
        else if (IS("clone-user")) said(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), "");
        else if (IS("clone3")) said(syscall(SYS_clone3, clone3_args, 64), "");
        else if (IS("setns")) said(setns(open("/proc/self/ns/net", O_RDONLY), 0), "");
        else if (IS("mount")) said(mount("tmpfs", arg, "tmpfs", 0, 0), "");
        else if (IS("remount")) said(mount(0, arg, 0, MS_REMOUNT | MS_BIND, 0), "");
        else if (IS("unmount")) said(umount2(arg, MNT_DETACH), "");
        else if (IS("chroot")) said(chroot(arg), "");
        else if (IS("ptrace")) said(ptrace(PTRACE_ATTACH, atoi(arg), 0, 0), "");
        else if (IS("kill")) said(kill(atoi(arg), SIGKILL), "");
        else if (IS("keyring")) said(syscall(SYS_keyctl, 0, -3, 1), "");
        else if (IS("bpf")) said(syscall(SYS_bpf, 0, 0, 0), "");
        else if (IS("io-uring")) said(syscall(SYS_io_uring_setup, 1, path), "");
        else if (IS("perf")) said(syscall(SYS_perf_event_open, path, 0, -1, -1, 0), "");
        else if (IS("clock")) said(settimeofday(&now, 0), "");
        else if (IS("host-name")) said(sethostname("evil", 4), "");
        else if (IS("module")) said(syscall(SYS_init_module, "", 0, ""), "");
        else if (IS("kexec")) said(syscall(SYS_kexec_load, 0, 0, 0, 0), "");
        else if (IS("setuid")) said(setuid(atoi(arg)), "");
        else if (IS("setgroups")) said(setgroups(0, 0), "");
        else if (IS("priority")) said(setpriority(PRIO_PROCESS, 0, -10), "");
        else if (IS("x32")) x32_call();
        else if (IS("background")) background();
        else if (IS("fork-bomb")) fork_bomb();
        else if (IS("terminal")) terminal();
        else if (IS("sleep")) sleep(atoi(arg));
        else if (IS("fill")) fill(arg);
        else if (IS("memory")) memory(atol(arg));
        else if (IS("flood")) for (;;) puts("0123456789012345678901234567890123456789");
        else if (IS("signal")) raise(atoi(arg));
        else if (IS("exit")) return atoi(arg);
        else printf("%s: no such attempt\n", attempt);
    }
    return 0;
}
