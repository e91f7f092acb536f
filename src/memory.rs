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

/// A large vector that is filled with zeros up to an aligned address: what is appended, up to `capacity` bytes, begins there.
pub fn aligned_vec(capacity: usize, align: usize) -> Vec<u8> {
    let mut vec = large_vec::<u8>(capacity + align);
    vec.resize(vec.as_ptr().addr().next_multiple_of(align) - vec.as_ptr().addr(), 0);
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

    #[test]
    fn what_is_appended_begins_where_it_should() {
        for capacity in [0, 100, 4096, 3 << 20] {
            let mut vec = super::aligned_vec(capacity, 4096);
            let (start, room) = (vec.len(), vec.capacity());
            vec.resize(start + capacity, 7);
            assert!(vec.capacity() == room && vec[start..].as_ptr().addr().is_multiple_of(4096));
        }
    }
}
