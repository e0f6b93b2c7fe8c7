/* A walk takes and gives back buffers of some megabytes for hours. glibc learns from the first ones to keep them in its
   heaps, where small things come to lie between them, and the process grows with the number of requests. Fixed, the
   threshold makes the large buffers come from the kernel and go back to it; two arenas are enough for a process that
   waits for a server. Linked into the binary alone; other C libraries are left as they are. */
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

__attribute__((constructor)) static void keep_large_buffers_out_of_the_heap(void) {
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    mallopt(M_ARENA_MAX, 2);
}
#endif
