//! The log that an earlier life has left is written again before anything in it is believed.
//!
//! When a sync fails, the kernel keeps what it could not write and calls it safe: whoever reads it finds a whole
//! log, and one more sync says nothing. A loss of power then takes from the middle of what was built on it. So the
//! same bytes are written once more, and only then synced. SQLite must not have opened the file yet.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::SpoolError;

/// Makes the log of the spool in `path` safe, if there is one.
pub fn renew(path: &Path) -> Result<(), SpoolError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let renewed = match OpenOptions::new().read(true).write(true).open(&log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.and_then(|file| write_again(&file)),
    };
    renewed.map_err(|error| SpoolError::Failed(format!("{} cannot be made safe: {error}", log.display())))
}

fn write_again(file: &File) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    loop {
        let count = match file.read_at(&mut buffer, at) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        file.write_all_at(&buffer[..count], at)?;
        at += count as u64;
    }
    if at == 0 { Ok(()) } else { file.sync_all() }
}

/// Bytes that are read and written at once.
const PIECE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn all_of_a_log_is_written_again_and_is_as_it_was() {
        let directory = std::env::temp_dir().join(format!("queue-log-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("temp is writable");
        let path = directory.join("spool.sqlite");
        renew(&path).expect("there is none");
        let log = directory.join("spool.sqlite-wal");
        assert!(!log.exists(), "none is made");
        let whole = (0..PIECE * 2 + 17).map(|number| (number % 251) as u8).collect::<Vec<_>>();
        fs::write(&log, &whole).expect("writable");
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::options().write(true).open(&log).and_then(|file| file.set_modified(long_ago)).expect("ours");
        renew(&path).expect("writable");
        let now = log.metadata().and_then(|found| found.modified()).expect("it is there");
        assert!(now > long_ago, "it was only read");
        assert!(fs::read(&log).expect("it is there") == whole, "it is another log");
        fs::remove_dir_all(&directory).expect("ours");
    }
}
