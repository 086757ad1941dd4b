//! The system calls that the sandbox refuses, each with the reason. All others are allowed: the namespaces are
//! the wall, and this closes doors in it.

use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W};

/// A group of calls refused for one reason.
pub(super) struct Refused {
    /// The calls; none is in two groups.
    pub(super) calls: &'static [libc::c_long],
    /// The arguments that are refused.
    when: When,
    /// The error for the caller: `ENOSYS` if programs have a fallback, 0 to pretend an empty success.
    answer: i32,
    /// The reason, for readers.
    #[cfg_attr(not(test), expect(dead_code, reason = "the table documents itself"))]
    pub(super) why: &'static str,
}

/// The arguments of a refused call. Only the lower 32 bits of an argument count.
enum When {
    Always,
    /// Each of these arguments has one of the mask's bits set.
    Bits(&'static [(u32, u32)]),
    /// The argument is one of these values.
    Is(u32, &'static [u32]),
    /// The argument is none of these values.
    IsNot(u32, &'static [u32]),
}

const SET_ID: u32 = libc::S_ISUID | libc::S_ISGID;
const CREATES: u32 = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u32;
const NEW_NAMESPACE: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;
/// Shares its bit with the signal sent at the end of a clone, so only `unshare` is asked for it.
const NEW_TIME: u32 = 0x80;
const SYS_OPEN_TREE_ATTR: libc::c_long = 467;
const SYS_FILE_SETATTR: libc::c_long = 469;
const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
const FS_IOC32_SETFLAGS: u32 = 0x4004_6602;
const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;
const FS_IOC_SET_ENCRYPTION_POLICY: u32 = 0x800c_6613;
const FS_IOC_ENABLE_VERITY: u32 = 0x4080_6685;
/// Linux 6.19.
const F_SETDELEG: u32 = 1040;

pub(super) const TABLE: &[Refused] = &[
    Refused {
        calls: &[
            libc::SYS_fchmod,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chmod,
        ],
        when: When::Bits(&[(1, SET_ID)]),
        answer: libc::EPERM,
        why: "setuid and setgid files could be run by others while an output is being built",
    },
    Refused {
        calls: &[libc::SYS_fchmodat, libc::SYS_fchmodat2, libc::SYS_mknodat],
        when: When::Bits(&[(2, SET_ID)]),
        answer: libc::EPERM,
        why: "as chmod",
    },
    #[cfg(target_arch = "x86_64")]
    Refused {
        calls: &[libc::SYS_creat, libc::SYS_mknod],
        when: When::Bits(&[(1, SET_ID)]),
        answer: libc::EPERM,
        why: "as chmod",
    },
    #[cfg(target_arch = "x86_64")]
    Refused {
        calls: &[libc::SYS_open],
        when: When::Bits(&[(1, CREATES), (2, SET_ID)]),
        answer: libc::EPERM,
        why: "as chmod",
    },
    Refused {
        calls: &[libc::SYS_openat],
        when: When::Bits(&[(2, CREATES), (3, SET_ID)]),
        answer: libc::EPERM,
        why: "as chmod",
    },
    Refused {
        calls: &[libc::SYS_openat2],
        when: When::Always,
        answer: libc::ENOSYS,
        why: "its mode is in memory, where a filter cannot see it",
    },
    Refused {
        calls: &[
            libc::SYS_setxattr,
            libc::SYS_lsetxattr,
            libc::SYS_fsetxattr,
            libc::SYS_removexattr,
            libc::SYS_lremovexattr,
            libc::SYS_fremovexattr,
            463, // setxattrat
            466, // removexattrat
        ],
        when: When::Always,
        answer: libc::ENOTSUP,
        why: "a store object has no extended attributes, so none may change how a build goes",
    },
    Refused {
        calls: &[
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_open_tree,
            SYS_OPEN_TREE_ATTR,
            libc::SYS_move_mount,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
            libc::SYS_mount_setattr,
        ],
        when: When::Always,
        answer: libc::EPERM,
        why: "what is visible is decided outside",
    },
    Refused {
        calls: &[libc::SYS_unshare],
        when: When::Bits(&[(0, NEW_NAMESPACE | NEW_TIME)]),
        answer: libc::EPERM,
        why: "a user namespace of its own would give capabilities, and with them kernel surface",
    },
    Refused {
        calls: &[libc::SYS_clone],
        when: When::Bits(&[(0, NEW_NAMESPACE)]),
        answer: libc::EPERM,
        why: "as unshare",
    },
    Refused {
        calls: &[libc::SYS_clone3],
        when: When::Always,
        answer: libc::ENOSYS,
        why: "its flags are in memory, where a filter cannot see them; libc falls back to clone",
    },
    Refused {
        calls: &[libc::SYS_setns],
        when: When::Always,
        answer: libc::EPERM,
        why: "as unshare",
    },
    Refused {
        calls: &[
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_process_madvise,
            libc::SYS_pidfd_getfd,
            libc::SYS_kcmp,
        ],
        when: When::Always,
        answer: libc::EPERM,
        why: "no process reaches into another one's memory or descriptors",
    },
    Refused {
        calls: &[libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key],
        when: When::Always,
        answer: libc::EPERM,
        why: "keyrings are not in a namespace: builds would share state with the user",
    },
    Refused {
        calls: &[
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_fanotify_init,
            libc::SYS_open_by_handle_at,
            libc::SYS_lookup_dcookie,
            libc::SYS_quotactl,
            libc::SYS_quotactl_fd,
            libc::SYS_syslog,
        ],
        when: When::Always,
        answer: libc::EPERM,
        why: "kernel surface that no build needs, some of it shows the host",
    },
    Refused {
        calls: &[libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register],
        when: When::Always,
        answer: libc::ENOSYS,
        why: "its operations pass by this filter; programs fall back to plain calls",
    },
    Refused {
        calls: &[
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_reboot,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_acct,
            libc::SYS_vhangup,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_iopl,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_ioperm,
        ],
        when: When::Always,
        answer: libc::EPERM,
        why: "the machine is not the build's",
    },
    Refused {
        calls: &[
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_clock_adjtime,
            libc::SYS_adjtimex,
            libc::SYS_sethostname,
            libc::SYS_setdomainname,
        ],
        when: When::Always,
        answer: libc::EPERM,
        why: "clock and host name are the same for every build",
    },
    Refused {
        calls: &[libc::SYS_socket, libc::SYS_socketpair],
        when: When::IsNot(
            0,
            &[
                libc::AF_UNIX as u32,
                libc::AF_INET as u32,
                libc::AF_INET6 as u32,
                libc::AF_NETLINK as u32,
            ],
        ),
        answer: libc::EAFNOSUPPORT,
        why: "not every family is in the network namespace (vsock reaches the hypervisor)",
    },
    Refused {
        calls: &[libc::SYS_ioctl],
        when: When::Is(
            1,
            &[
                libc::TIOCSTI as u32,
                libc::TIOCLINUX as u32,
                FS_IOC_SETFLAGS,
                FS_IOC32_SETFLAGS,
                FS_IOC_FSSETXATTR,
                FS_IOC_SET_ENCRYPTION_POLICY,
                FS_IOC_ENABLE_VERITY,
            ],
        ),
        answer: libc::EPERM,
        why: "typing into somebody's terminal; flags of files would stay in the store, unseen by hashes",
    },
    Refused {
        calls: &[SYS_FILE_SETATTR],
        when: When::Always,
        answer: libc::ENOSYS,
        why: "flags of files, as by ioctl",
    },
    Refused {
        calls: &[libc::SYS_getgroups],
        when: When::Always,
        answer: 0,
        why: "an ordinary user cannot give its other groups up: this says that there are none, as root has none",
    },
    Refused {
        calls: &[libc::SYS_fcntl],
        when: When::Is(1, &[libc::F_SETLEASE as u32, F_SETDELEG]),
        answer: libc::EACCES,
        why: "a lease on an input makes everybody else wait who opens it: inputs belong to user 1000",
    },
];

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xC000_00B7;

/// The offsets in `struct seccomp_data`: call number, architecture, arguments.
const NUMBER_AT: u32 = 0;
const ARCH_AT: u32 = 4;
const fn argument_at(n: u32) -> u32 {
    16 + 8 * n
}

/// The table as a program for the kernel. A call by another architecture's numbers (32 bit, x32)
/// ends the process: those numbers would mean other calls.
///
/// The calls are searched by halves: the program runs for every call whose answer depends on its
/// arguments (`openat`, `ioctl`, `fcntl`, ...), and once for each call that there is when it is installed.
pub(super) fn program() -> Vec<libc::sock_filter> {
    let mut code = vec![
        load(ARCH_AT),
        jump(BPF_JEQ, ARCH, 1, 0),
        give(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER_AT),
        #[cfg(target_arch = "x86_64")]
        jump(BPF_JGE, 0x4000_0000, 0, 1),
        #[cfg(target_arch = "x86_64")]
        give(libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let mut calls: Vec<(u32, &Refused)> = TABLE
        .iter()
        .flat_map(|refused| refused.calls.iter().map(move |&call| (call as u32, refused)))
        .collect();
    calls.sort_unstable_by_key(|(call, _)| *call);
    code.extend(search(&calls));
    code
}

/// The answer to a call whose number is loaded; all but these are allowed.
fn search(calls: &[(u32, &Refused)]) -> Vec<libc::sock_filter> {
    match calls {
        [] => vec![give(libc::SECCOMP_RET_ALLOW)],
        [(call, refused)] => {
            let body = answer(refused);
            let mut code = vec![jump(BPF_JEQ, *call, 0, length(&body))];
            code.extend(body);
            code.push(give(libc::SECCOMP_RET_ALLOW));
            code
        }
        _ => {
            let (below, above) = calls.split_at(calls.len() / 2);
            let (first, below) = (above[0].0, search(below));
            let mut code = vec![jump(BPF_JGE, first, length(&below), 0)];
            code.extend(below);
            code.extend(search(above));
            code
        }
    }
}

/// The distance of a jump over code.
fn length(code: &[libc::sock_filter]) -> u8 {
    u8::try_from(code.len()).expect("the table is short")
}

/// The answer to a call that is in the table.
fn answer(refused: &Refused) -> Vec<libc::sock_filter> {
    let refuse = libc::SECCOMP_RET_ERRNO | refused.answer.unsigned_abs();
    match refused.when {
        When::Always => vec![give(refuse)],
        When::Bits(all) => {
            let allow_unless_set = |&(arg, mask): &(u32, u32)| {
                let test = jump(BPF_JSET, mask, 1, 0);
                [load(argument_at(arg)), test, give(libc::SECCOMP_RET_ALLOW)]
            };
            all.iter().flat_map(allow_unless_set).chain([give(refuse)]).collect()
        }
        When::Is(arg, values) => among(arg, values, refuse, libc::SECCOMP_RET_ALLOW),
        When::IsNot(arg, values) => among(arg, values, libc::SECCOMP_RET_ALLOW, refuse),
    }
}

/// `hit` if the argument is one of the values, else `miss`.
fn among(arg: u32, values: &[u32], hit: u32, miss: u32) -> Vec<libc::sock_filter> {
    let mut body = vec![load(argument_at(arg))];
    for (i, &value) in values.iter().enumerate() {
        body.push(jump(BPF_JEQ, value, (values.len() - i) as u8, 0));
    }
    body.extend([give(miss), give(hit)]);
    body
}

fn load(at: u32) -> libc::sock_filter {
    libc::sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: at }
}

fn jump(test: u32, value: u32, yes: u8, no: u8) -> libc::sock_filter {
    libc::sock_filter { code: (BPF_JMP | test | BPF_K) as u16, jt: yes, jf: no, k: value }
}

fn give(result: u32) -> libc::sock_filter {
    libc::sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: result }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Interprets the program for a call.
    fn run(arch: u32, number: libc::c_long, args: [u32; 6]) -> u32 {
        let code = program();
        let (mut at, mut value) = (0, 0);
        loop {
            let step = code[at];
            at += 1;
            let test = u32::from(step.code);
            if test == BPF_LD | BPF_W | BPF_ABS {
                value = match step.k {
                    NUMBER_AT => number as u32,
                    ARCH_AT => arch,
                    k => args[(k - 16) as usize / 8],
                };
            } else if test == BPF_RET | BPF_K {
                return step.k;
            } else {
                let yes = match test & 0xf0 {
                    BPF_JEQ => value == step.k,
                    BPF_JGE => value >= step.k,
                    BPF_JSET => value & step.k != 0,
                    other => panic!("unexpected test {other:#x}"),
                };
                at += usize::from(if yes { step.jt } else { step.jf });
            }
        }
    }

    fn errno(number: libc::c_long, args: [u32; 6]) -> i32 {
        match run(ARCH, number, args) {
            libc::SECCOMP_RET_ALLOW => 0,
            other => (other & 0xffff) as i32,
        }
    }

    #[test]
    fn every_call_stands_in_one_group_and_is_refused_and_no_other_is() {
        let mut seen = std::collections::BTreeSet::new();
        for group in TABLE {
            assert!(!group.why.is_empty());
            for &call in group.calls {
                assert!(seen.insert(call), "{call} stands in two groups");
                let args = match group.when {
                    When::Always => [0; 6],
                    When::Bits(_) | When::IsNot(..) => [u32::MAX; 6],
                    When::Is(_, values) => [values[values.len() - 1]; 6],
                };
                assert_eq!(errno(call, args), group.answer, "call {call}");
                assert_ne!(run(ARCH, call, args), libc::SECCOMP_RET_ALLOW, "call {call}");
            }
        }
        // and nothing else is, wherever the search ends
        for call in (0..1024).filter(|call| !seen.contains(call)) {
            assert_eq!(errno(call, [u32::MAX; 6]), 0, "call {call}");
        }
    }

    #[test]
    fn what_builds_need_is_allowed() {
        let create = CREATES & libc::O_CREAT as u32;
        assert_eq!(errno(libc::SYS_read, [u32::MAX; 6]), 0);
        assert_eq!(errno(libc::SYS_fchmodat, [0, 0, 0o755, 0, 0, 0]), 0);
        assert_eq!(errno(libc::SYS_openat, [0, 0, create, 0o644, 0, 0]), 0);
        assert_eq!(errno(libc::SYS_openat, [0, 0, 0, 0o6000, 0, 0]), 0, "no file is made");
        assert_eq!(errno(libc::SYS_openat, [0, 0, create, 0o4755, 0, 0]), libc::EPERM);
        assert_eq!(errno(libc::SYS_clone, [libc::SIGCHLD as u32, 0, 0, 0, 0, 0]), 0);
        assert_eq!(errno(libc::SYS_socket, [libc::AF_INET as u32, 0, 0, 0, 0, 0]), 0);
        assert_eq!(errno(libc::SYS_socket, [40, 0, 0, 0, 0, 0]), libc::EAFNOSUPPORT);
        assert_eq!(errno(libc::SYS_ioctl, [0, libc::TCGETS as u32, 0, 0, 0, 0]), 0);
        assert_eq!(errno(libc::SYS_fcntl, [0, libc::F_SETLK as u32, 0, 0, 0, 0]), 0);
    }

    #[test]
    fn another_architecture_ends_the_process() {
        assert_eq!(run(0x4000_0003, 4, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(run(ARCH, 0x4000_0000, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
    }
}
