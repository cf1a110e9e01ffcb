//! Refuses network file systems.
//!
//! WAL mode needs memory that all processes share and locks that work. A network provides neither, and the
//! damage shows weeks later. The numbers are those of linux/magic.h. FUSE is identified by the name in the
//! mount table, because local file systems use it too. `libc` defines only some of these numbers.

use std::path::Path;

use crate::state::error::StateError;

#[cfg(target_os = "linux")]
const NETWORK: [(u32, &str); 20] = [
    (0x0000_6969, "nfs"),
    (0x0000_517B, "smb"),
    (0xFF53_4D42, "cifs"),
    (0xFE53_4D42, "smb3"),
    (0x00C3_6400, "ceph"),
    (0x5346_414F, "afs"),
    (0x7375_7245, "coda"),
    (0x0102_1997, "9p"),
    (0x0BD0_0BD0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
    (0x0000_564C, "ncp"),
    // Disks that several machines share, and folders that a virtual machine gets from its host.
    (0x0116_1970, "gfs2"),
    (0x7461_636F, "ocfs2"),
    (0x2003_0528, "orangefs"),
    (0xAAD7_AAEA, "panfs"),
    (0xBEEF_DEAD, "snfs"),
    (0x786F_4256, "vboxsf"),
    (0xBACB_ACBC, "vmhgfs"),
    (0x7C7C_6673, "prl_fs"),
];

#[cfg(target_os = "linux")]
const FUSE: u32 = 0x6573_5546;

#[cfg(target_os = "linux")]
const NETWORK_FUSE: [&str; 22] = [
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "fuse.glusterfs",
    "fuse.davfs",
    "fuse.gcsfuse",
    "fuse.goofys",
    "fuse.juicefs",
    "fuse.moosefs",
    "fuse.mfs",
    "fuse.lizardfs",
    "fuse.seaweedfs",
    "fuse.ceph-fuse",
    "fuse.ceph",
    "fuse.blobfuse",
    "fuse.blobfuse2",
    "fuse.mountpoint-s3",
    "fuse.curlftpfs",
    "fuse.hdfs",
    "fuse.vmhgfs-fuse",
    "fuse.gvfsd-fuse",
    "fuse.grpcfuse",
];

/// Fails if the folder is on a network file system.
pub(in crate::state) fn refuse_network(folder: &Path) -> Result<(), StateError> {
    match network_file_system(folder).map_err(StateError::io("inspect", folder))? {
        Some(kind) => Err(StateError::NetworkFileSystem { path: folder.to_owned(), kind }),
        None => Ok(()),
    }
}

/// The kind of network file system that a folder is on, if it is on one.
///
/// # Errors
/// If the folder cannot be inspected.
#[cfg(target_os = "linux")]
pub fn network_file_system(folder: &Path) -> std::io::Result<Option<String>> {
    let magic = magic(folder)?;
    if let Some((_, kind)) = NETWORK.iter().find(|(number, _)| *number == magic) {
        return Ok(Some((*kind).to_owned()));
    }
    if magic == FUSE
        && let Some(kind) = mount_kind(folder)
        && NETWORK_FUSE.contains(&kind.as_str())
    {
        return Ok(Some(kind));
    }
    Ok(None)
}

/// Whether a file keeps its inode number for as long as it exists. FUSE (including virtiofs) and layered
/// file systems may assign new numbers at each mount.
#[cfg(target_os = "linux")]
pub(in crate::state) fn has_stable_inodes(folder: &Path) -> Result<bool, StateError> {
    const OVERLAY: u32 = 0x794C_7630;
    let magic = magic(folder).map_err(StateError::io("inspect", folder))?;
    Ok(magic != FUSE && magic != OVERLAY)
}

/// What the kernel calls the file system.
#[cfg(target_os = "linux")]
fn magic(folder: &Path) -> std::io::Result<u32> {
    let found = rustix::fs::statfs(folder)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the kernel's magic numbers have 32 bits"
    )]
    let magic = found.f_type as u32;
    Ok(magic)
}

/// What the mount table calls the file system below a path.
#[cfg(target_os = "linux")]
fn mount_kind(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let table = std::fs::read_to_string("/proc/self/mounts").ok()?;
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
            let point = point.replace("\\040", " ");
            folder.starts_with(&point).then_some((point.len(), kind.to_owned()))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind)
}

/// Other systems have stable numbers.
#[cfg(not(target_os = "linux"))]
pub(in crate::state) fn has_stable_inodes(_folder: &Path) -> Result<bool, StateError> {
    Ok(true)
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
pub fn network_file_system(_folder: &Path) -> std::io::Result<Option<String>> {
    Ok(None)
}
