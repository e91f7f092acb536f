//! Large buffers in huge pages: with small ones, every 4 KiB of a new buffer costs a page fault, and every jump a TLB miss.

/// The size of a huge page on the systems that have them.
const HUGE_PAGE: usize = 2 << 20;

/// An empty vector with room for `capacity` items, in huge pages if the system gives any.
pub fn large_vec<T>(capacity: usize) -> Vec<T> {
    let vec = Vec::with_capacity(capacity);
    #[cfg(target_os = "linux")]
    advise(&vec);
    vec
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn advise<T>(vec: &Vec<T>) {
    let begin = (vec.as_ptr() as usize).next_multiple_of(HUGE_PAGE);
    let end = (vec.as_ptr() as usize + vec.capacity() * size_of::<T>()) / HUGE_PAGE * HUGE_PAGE;
    if begin < end {
        // SAFETY: the range lies inside of the vector's own allocation, and this advice changes no content.
        let advised = unsafe { rustix::mm::madvise(begin as *mut _, end - begin, rustix::mm::Advice::LinuxHugepage) };
        // A system without huge pages is only slower.
        advised.ok();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_a_vector_like_any_other() {
        let mut vec = super::large_vec::<u64>(1 << 20);
        assert!(vec.is_empty() && vec.capacity() >= 1 << 20);
        vec.resize(1 << 20, 7);
        assert!(vec.iter().all(|&n| n == 7));
        drop(super::large_vec::<u8>(0));
    }
}
