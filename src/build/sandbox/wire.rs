//! The messages between clutch and the helper: an order with three descriptors in, replies out.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Seek, Write},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::codec::{self, RecordKind};

/// A request in the helper's terms: bytes only, everything decided.
#[derive(Debug, bincode::Encode, bincode::Decode)]
pub(super) struct Order {
    pub(super) program: Vec<u8>,
    /// Without the program.
    pub(super) args: Vec<Vec<u8>>,
    /// `NAME=value` each.
    pub(super) env: Vec<Vec<u8>>,
    pub(super) cwd: Vec<u8>,
    pub(super) root: Option<Vec<u8>>,
    pub(super) binds: Vec<WireBind>,
    /// The number of processors for the program; 0 for all.
    pub(super) processors: u32,
    /// The number of process numbers to use before it.
    pub(super) numbers: u32,
    /// The most processes and threads.
    pub(super) most_processes: u64,
}

/// A [`super::View`] in the same terms.
#[derive(Debug, bincode::Encode, bincode::Decode)]
pub(super) struct ViewOrder {
    pub(super) program: Vec<u8>,
    pub(super) args: Vec<Vec<u8>>,
    pub(super) env: Vec<Vec<u8>>,
    pub(super) cwd: Vec<u8>,
    pub(super) binds: Vec<WireBind>,
    pub(super) isolated: bool,
}

#[derive(Debug, bincode::Encode, bincode::Decode)]
pub(super) struct WireBind {
    pub(super) host: Vec<u8>,
    pub(super) inside: Vec<u8>,
    pub(super) writable: bool,
}

/// The helper's replies to one order.
#[derive(Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) enum Reply {
    /// The first process of the sandbox exists; its pidfd comes with this.
    Started,
    /// A step of the setting up failed.
    Failed(Failure),
    /// The program ended, and every other process of the sandbox with it.
    Exited(i32),
    /// As `Exited`, by a signal.
    Killed(i32),
}

/// The failed step, its subject and the error.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) on: String,
    pub(super) errno: i32,
}

/// The steps of setting up a sandbox, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub(super) enum Step {
    ReadOrder,
    UserNamespace,
    UserMap,
    ControlGroup,
    Namespaces,
    HostName,
    Loopback,
    Propagation,
    OpenSource,
    RootFs,
    Proc,
    Devices,
    PivotRoot,
    Bind,
    File,
    Fork,
    Limits,
    Privileges,
    Landlock,
    Filter,
    Directory,
    Exec,
}

impl Step {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::ReadOrder => "read the order",
            Self::UserNamespace => "create a user namespace",
            Self::Namespaces => "create namespaces",
            Self::UserMap => "map user and group",
            Self::ControlGroup => "enter a control group",
            Self::HostName => "set the host name",
            Self::Loopback => "bring the loopback interface up",
            Self::Propagation => "make mounts private",
            Self::OpenSource => "open for binding",
            Self::RootFs => "mount a tmpfs",
            Self::Proc => "mount /proc",
            Self::Devices => "set up /dev",
            Self::PivotRoot => "change the root",
            Self::Bind => "bind",
            Self::File => "make",
            Self::Fork => "fork",
            Self::Limits => "set resource limits",
            Self::Privileges => "drop privileges",
            Self::Landlock => "confine by landlock",
            Self::Filter => "install the system call filter",
            Self::Directory => "enter",
            Self::Exec => "execute",
        }
    }
}

/// The packet of an order. With it come the order, the socket for replies, the log, and the files of control
/// groups that take the number of the process.
pub(super) const ORDER: u8 = b'o';
/// The packet of an order that is to have the host's network.
pub(super) const WITH_NETWORK: u8 = b'n';

/// The most descriptors that come with a packet.
const MOST: usize = 5;

const KIND: RecordKind =
    RecordKind { magic: *b"clutchsb", version: 1, what: "a message of the sandbox" };

/// Writes an order into memory that a descriptor stands for.
pub(super) fn write_order(order: &impl bincode::Encode) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("order", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory);
    file.write_all(&codec::encode(KIND, order).map_err(io::Error::other)?)?;
    Ok(file.into())
}

pub(super) fn read_order<T: bincode::Decode<()>>(memory: OwnedFd) -> io::Result<T> {
    let mut file = std::fs::File::from(memory);
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    codec::decode(KIND, &bytes).map_err(io::Error::other)
}

/// Sends one packet with descriptors.
pub(super) fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors for one packet"));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one packet with its descriptors; `None` if the other side is gone.
pub(super) fn receive(socket: impl AsFd) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = vec![0; 16 << 10];
    let got = loop {
        let slices = &mut [IoSliceMut::new(&mut bytes)];
        match recvmsg(&socket, slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?.bytes,
        }
    };
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    bytes.truncate(got);
    Ok((got > 0).then_some((bytes, fds)))
}

pub(super) fn send_reply(
    socket: impl AsFd,
    reply: &Reply,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    send(socket, &codec::encode(KIND, reply).map_err(io::Error::other)?, fds)
}

pub(super) fn receive_reply(socket: impl AsFd) -> io::Result<Option<(Reply, Vec<OwnedFd>)>> {
    let Some((bytes, fds)) = receive(socket)? else { return Ok(None) };
    Ok(Some((codec::decode(KIND, &bytes).map_err(io::Error::other)?, fds)))
}
