#pragma once
// The CUDA runtime and NCCL as src/dist/nccl_channel.cpp uses them, for tests without a GPU: the channel is compiled
// against the real headers and linked with these. Device memory is that of fake_gpu.
//   - a stream is a thread with a queue; an event has been reached when the queue has come to it, and until then
//     cudaEventQuery says cudaErrorNotReady. The null stream is the thread that calls: whoever has it wait for an event
//     waits himself. A stream and an event belong to a device; every call opens the context of the thread's device;
//   - ranks are processes of one machine, which meet in a shared memory file named by the NCCL id. Sums are made in
//     float64. A collective poisons (0xFF) what it will write from the time it starts until it has ended: who reads too
//     early gets NaN, who writes meanwhile ends the process. Ranks that call different collectives end it likewise;
//   - a revoked communicator gives up what is under way and takes no more; a shrunk one makes another of the ranks that
//     are left, which keep their order;
//   - calls between ncclGroupStart and ncclGroupEnd are launched by the latter. A non-blocking communicator gives its
//     calls to a thread that ncclCommGetAsyncError joins and frees, unguarded, as NCCL 2.28 does.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ddls::fake_cuda {

// A kernel: runs when the stream comes to it; at once on the null stream.
void launch(cudaStream_t stream, std::function<void()> kernel);

struct Live {
  int streams = 0, events = 0, communicators = 0;
};
Live live();

// What this process has launched through NCCL, in order: "all_reduce sum of 256 float32".
std::vector<std::string> collectives();

// What goes wrong, from DDLS_FAKE_CUDA or set by a test: "kind=never,rank=1,at=3,ms=50". At the collective `at`, of
// communicators counted from 1, of rank `rank` (-1: every):
//   never            it never ends              slow         it takes `ms` longer, as do those after it
//   async_error      it fails in the background                call_hangs   the call does not return
//   device_error     the device fails in it     call_error   the call fails
//   dies, stops      the process does (SIGKILL, SIGSTOP), in the stream's thread
// At other times, on that rank: init_error, init_never, init_slow (`ms`), init_dies, old_version, id_error,
// stream_error (it cannot be made), finalize_error, finalize_never. Besides, with any kind or none: abort_hangs=1,
// nonblocking=1 (whatever the channel asks for), no_stream_waits=1 (cudaStreamWaitEvent does nothing), differ_hangs=1
// (different collectives wait for ever, as in NCCL).
struct Faults {
  std::string kind = {};
  int rank = -1;
  uint64_t at = 0;
  int milliseconds = 0;
  bool abort_hangs = false, nonblocking = false, no_stream_waits = false, differ_hangs = false;

  bool is(const char* what, int this_rank) const { return kind == what && (rank < 0 || rank == this_rank); }
};
std::shared_ptr<const Faults> faults();
void set_faults(const std::string& text);  // throws where it cannot be read

// The device has failed: every call of the runtime says so from now on.
void fail_device(cudaError_t code);

}  // namespace ddls::fake_cuda
