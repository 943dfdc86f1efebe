//! What a host opened as our stdin and stdout. A pipe or a socket is waited for together with everything else, so that a
//! line costs no hop to a thread that may block; anything else (a file, a terminal) is read and written on such a thread.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

/// What the host says.
pub type FromHost = Box<dyn AsyncRead + Send + Unpin>;
/// What it is told.
pub type ToHost = Box<dyn AsyncWrite + Send + Unpin>;

/// Both, for the one session of this process.
pub fn open() -> (FromHost, ToHost) {
    waited_for().unwrap_or_else(|_| (Box::new(tokio::io::stdin()), Box::new(tokio::io::stdout())))
}

#[cfg(unix)]
fn waited_for() -> io::Result<(FromHost, ToHost)> {
    use std::fs::File;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    use std::os::unix::net::UnixStream;

    fn other(fd: &impl AsFd) -> io::Result<File> {
        fd.as_fd().try_clone_to_owned().map(File::from)
    }
    fn socket(file: File) -> io::Result<tokio::net::UnixStream> {
        let socket = UnixStream::from(OwnedFd::from(file));
        socket.set_nonblocking(true)?;
        tokio::net::UnixStream::from_std(socket)
    }
    let (heard, told, log) = (other(&io::stdin())?, other(&io::stdout())?, other(&io::stderr())?.metadata()?);
    // What is written to a log that goes down the same pipe would fail where it has to wait.
    let (to, is_shared) =
        (told.metadata()?, |meta: &std::fs::Metadata| (meta.dev(), meta.ino()) == (log.dev(), log.ino()));
    if is_shared(&to) || is_shared(&heard.metadata()?) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let is_fit = |kind: std::fs::FileType| kind.is_fifo() || kind.is_socket();
    let from = heard.metadata()?.file_type();
    if !is_fit(from) || !is_fit(to.file_type()) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let heard: FromHost = match from.is_fifo() {
        true => Box::new(tokio::net::unix::pipe::Receiver::from_file(heard)?),
        false => Box::new(socket(heard)?),
    };
    let told: ToHost = match to.file_type().is_fifo() {
        true => Box::new(tokio::net::unix::pipe::Sender::from_file(told)?),
        false => Box::new(socket(told)?),
    };
    Ok((heard, told))
}

#[cfg(not(unix))]
fn waited_for() -> io::Result<(FromHost, ToHost)> {
    Err(io::ErrorKind::Unsupported.into())
}
