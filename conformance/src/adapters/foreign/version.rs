//! The versions of libraries that have no function that tells.

use std::ffi::{CStr, OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The number at the end of the name of the file that a function is in, for libraries that do not
/// tell their version: `0.21.0` of `libwayland-server.so.0.21.0`.
pub(super) fn file_number(function: *const c_void) -> String {
    let file = file_of(function).and_then(|file| file.canonicalize().ok()).unwrap_or_default();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.split_once(".so.").map_or("unknown", |(_, number)| number).to_string()
}

/// The versions of the symbols of the library that a function is in, for one that tells its version
/// by them alone.
pub(super) fn symbol_versions(function: *const c_void, prefix: &str) -> impl Iterator<Item = u32> {
    let file = file_of(function).and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
    let names = String::from_utf8_lossy(&file).into_owned();
    let numbers = names.split('\0').filter_map(|name| name.strip_prefix(prefix)?.parse().ok());
    numbers.collect::<Vec<u32>>().into_iter()
}

/// The file that a function is in.
fn file_of(function: *const c_void) -> Option<PathBuf> {
    // SAFETY: zeros are a value of this structure of pointers.
    let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked for.
    let answer = unsafe { libc::dladdr(function, &raw mut found) };
    if answer == 0 || found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: it is a string that lives as long as the library is open.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}
