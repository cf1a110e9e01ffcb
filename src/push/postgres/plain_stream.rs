//! A connection without TLS, to a server on this machine. Any program of this machine may listen there while the server is
//! down. So where a password is known, the server has to prove that it knows it too, as SCRAM does: it gets neither the
//! password nor rows otherwise. And the messages that it sends before that are limited.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A longer message before the sign-in is not from PostgreSQL.
const MAX_FIRST_BYTES: u32 = 64 * 1024;

/// Nor is a longer one later: the statements for a target have short answers.
const MAX_MESSAGE_BYTES: u32 = 16 * 1024 * 1024;

/// The length of a message's head and of the number that says how to sign in.
const HEAD_BYTES: usize = 9;

/// A stream that looks at the messages of the server.
pub(super) struct PlainStream<S> {
    stream: S,
    has_password: bool,
    /// The head of the current message.
    head: Vec<u8>,
    /// How many bytes of the current message are to be skipped.
    rest: u32,
    is_proved: bool,
}

/// Why a server gets nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UnprovedServer(&'static str);

/// The reason in an error of the connection, if it comes from here.
pub(super) fn refusal(error: &io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<UnprovedServer>().map(ToString::to_string)
}

impl<S> PlainStream<S> {
    pub(super) fn new(stream: S, has_password: bool) -> PlainStream<S> {
        PlainStream { stream, has_password, head: Vec::with_capacity(HEAD_BYTES), rest: 0, is_proved: false }
    }

    /// Looks at bytes that have come.
    fn check(&mut self, mut bytes: &[u8]) -> Result<(), UnprovedServer> {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let skipped = bytes.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
                self.rest -= u32::try_from(skipped).unwrap_or(self.rest);
                bytes = &bytes[skipped..];
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            let signs_in = !self.is_proved && self.head[0] == b'R';
            if self.head.len() < if signs_in { HEAD_BYTES } else { 5 } {
                continue;
            }
            let number = |from: usize| self.head[from..from + 4].iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
            let length = number(1);
            let most = if self.is_proved { MAX_MESSAGE_BYTES } else { MAX_FIRST_BYTES };
            let head = if signs_in { 8 } else { 4 };
            if !(head..=most).contains(&length) {
                return Err(UnprovedServer("its answer is not one of PostgreSQL"));
            }
            if signs_in {
                self.check_sign_in(number(5))?;
            }
            self.rest = length - head;
            self.head.clear();
        }
        Ok(())
    }

    fn check_sign_in(&mut self, method: u32) -> Result<(), UnprovedServer> {
        self.is_proved = true;
        match method {
            // SCRAM, in which both sides prove that they know the password.
            10 => Ok(()),
            _ if !self.has_password => Ok(()),
            0 => Err(UnprovedServer("it does not ask for the password, so it may be another program")),
            _ => Err(UnprovedServer("it wants the password in a form that any program could ask for")),
        }
    }
}

/// Refuses a socket that another user has put where everybody may put one.
pub(super) fn check_socket(socket: &Path) -> Result<(), String> {
    let (Ok(found), Some(Ok(folder))) = (socket.symlink_metadata(), socket.parent().map(Path::metadata)) else {
        // Connecting reports the problem.
        return Ok(());
    };
    let own = [0, nix::unistd::geteuid().as_raw()];
    if folder.mode() & 0o002 == 0 || own.contains(&found.uid()) {
        return Ok(());
    }
    Err(format!("{} belongs to another user, in a folder where everybody can write", socket.display()))
}

impl<S: AsyncRead + Unpin> AsyncRead for PlainStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = read
            && let Err(refused) = self.check(&buf.filled()[before..])
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::PermissionDenied, refused)));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PlainStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the messages of a server in pieces of some bytes.
    fn check(messages: &[u8], has_password: bool, piece: usize) -> Result<(), String> {
        let mut stream = PlainStream::new((), has_password);
        messages.chunks(piece).try_for_each(|piece| stream.check(piece)).map_err(|refused| refused.to_string())
    }

    #[test]
    fn only_scram_gets_a_password() {
        let notice = b"N\0\0\0\x08text".as_slice();
        let rest = b"R\0\0\0\x0c\0\0\0\x0bmoreZ\0\0\0\x05I";
        let sign_in = |method: u8| [notice, b"R\0\0\0\x0a\0\0\0", &[method], b"ab", rest].concat();
        for piece in [1, 3, 5, 100] {
            assert_eq!(check(&sign_in(10), true, piece), Ok(()));
            for method in [0, 3, 5] {
                assert!(check(&sign_in(method), true, piece).is_err(), "{method} in pieces of {piece}");
                assert_eq!(check(&sign_in(method), false, piece), Ok(()));
            }
        }
    }

    #[test]
    fn large_messages_are_refused() {
        for message in [b"E\x7f\xff\xff\xfftext".as_slice(), b"N\0\x02\0\0", b"R\0\0\0\x01\0\0\0\x0a"] {
            assert!(check(message, false, 100).is_err(), "{message:?}");
        }
        let later = |message: &[u8]| check(&[b"R\0\0\0\x08\0\0\0\0", message].concat(), false, 100);
        assert!(later(b"E\x7f\xff\xff\xfftext").is_err());
        assert_eq!(later(b"N\0\x02\0\0"), Ok(()));
    }

    #[test]
    fn socket_that_anybody_can_replace_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join(".s.PGSQL.5432");
        assert_eq!(check_socket(&socket), Ok(()), "it does not exist");
        std::fs::write(&socket, "").unwrap();
        assert_eq!(check_socket(&socket), Ok(()));
    }
}
