// NCCL between processes of one machine.
#include <nccl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "fake_cuda/fake_cuda.hpp"
#include "fake_cuda/meeting.hpp"
#include "fake_cuda/reduction.hpp"
#include "fake_gpu/fake_gpu.hpp"

namespace ddls::fake_cuda {

namespace detail {
Live live_of_runtime();
}

namespace {

enum Operation : int { all_reduce_op, broadcast_op };

std::atomic<int> communicators{0};

struct Launched {
  std::mutex mutex;
  std::vector<std::string> calls;
};
Launched& launched() {
  static auto* const one = new Launched;
  return *one;
}

// What outlives the communicator, whose kernels may still run.
struct Member {
  Member(const std::string& where, int which, int of)
      : name(where), meeting(where, which, of), rank(which), ranks(of) {}

  std::string name;
  Meeting meeting;
  int rank, ranks;
  uint64_t run = 0;                // collectives that the stream has come to
  std::atomic<uint64_t> calls{0};  // and that were launched
  std::atomic<uint64_t> ended{0};
  std::atomic<uint64_t> left{0};  // ended, or given up
  std::atomic<bool> aborted{false};
  std::atomic<bool> revoked{false};
  std::atomic<int> error{ncclSuccess};

  void hang() const {
    while (!aborted) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
};

struct Collective {
  std::shared_ptr<Member> member;
  Header header;
  char* data;  // where the host finds it
  size_t bytes;
  cudaStream_t stream;
};

[[noreturn]] void broken(const Member& member, const std::string& what) {
  std::fprintf(stderr, "fake NCCL: rank %d: %s\n", member.rank, what.c_str());
  std::abort();
}

std::string text_of(const Header& header) {
  const auto type = static_cast<ncclDataType_t>(header.type);
  const std::string elements = " of " + std::to_string(header.count) + " " + name_of(type);
  if (header.operation == broadcast_op) return "broadcast with root " + std::to_string(header.how) + elements;
  return std::string("all_reduce ") + name_of(static_cast<ncclRedOp_t>(header.how)) + elements;
}

// What a fault does in the stream. False: the collective never ends.
bool survives(Member& member, uint64_t number) {
  const std::shared_ptr<const Faults> now = faults();
  if (now->is("slow", member.rank) && number >= now->at)
    std::this_thread::sleep_for(std::chrono::milliseconds(now->milliseconds));
  if (number != now->at) return true;
  if (now->is("dies", member.rank)) kill(getpid(), SIGKILL);
  if (now->is("stops", member.rank)) kill(getpid(), SIGSTOP);
  if (now->is("async_error", member.rank)) member.error = ncclRemoteError;
  if (now->is("device_error", member.rank)) fail_device(cudaErrorIllegalAddress);
  const bool hangs =
      now->is("never", member.rank) || member.error != ncclSuccess || now->is("device_error", member.rank);
  if (hangs) member.hang();
  return !hangs;
}

// All ranks have said what they do, so that each can see whether it is the same.
bool agree(Member& member, const Header& mine) {
  member.meeting.header_of(member.rank) = mine;
  if (!member.meeting.barrier(member.aborted)) return false;
  for (int rank = 0; rank < member.ranks; ++rank) {
    const Header other = member.meeting.header_of(rank);
    if (other == mine) continue;
    if (!faults()->differ_hangs)
      broken(member, "as collective " + std::to_string(mine.number) + " " + text_of(mine) + ", but rank " +
                         std::to_string(rank) + " " + text_of(other));
    member.hang();
    return false;
  }
  return member.meeting.barrier(member.aborted);  // the next header may be written
}

bool exchange(const Collective& c, const std::vector<char>& mine, std::vector<char>& result) {
  Member& member = *c.member;
  const auto type = static_cast<ncclDataType_t>(c.header.type);
  for (size_t at = 0; at < c.bytes; at += Meeting::chunk_bytes) {
    const size_t part = std::min(Meeting::chunk_bytes, c.bytes - at);
    std::memcpy(member.meeting.data_of(member.rank), mine.data() + at, part);
    if (!member.meeting.barrier(member.aborted)) return false;
    if (c.header.operation == broadcast_op) {
      std::memcpy(result.data() + at, member.meeting.data_of(c.header.how), part);
    } else {
      std::vector<const char*> all;
      for (int rank = 0; rank < member.ranks; ++rank) all.push_back(member.meeting.data_of(rank));
      reduce(all, result.data() + at, part / element_size(type), type, static_cast<ncclRedOp_t>(c.header.how));
    }
    if (!member.meeting.barrier(member.aborted)) return false;
  }
  return true;
}

// The kernel. The root of a broadcast only reads.
void run_to_the_end(Collective& c) {
  Member& member = *c.member;
  c.header.number = ++member.run;
  const bool writes = c.header.operation != broadcast_op || c.header.how != member.rank;
  const std::vector<char> mine(c.data, c.data + c.bytes);
  std::vector<char> expected = mine, result(c.bytes);
  if (writes) std::fill(expected.begin(), expected.end(), static_cast<char>(0xFF));
  if (writes && c.bytes > 0) std::memcpy(c.data, expected.data(), c.bytes);
  if (!survives(member, c.header.number) || !agree(member, c.header) || !exchange(c, mine, result))
    return member.hang();
  if (c.bytes > 0 && std::memcmp(c.data, expected.data(), c.bytes) != 0)
    broken(member, "the data of " + text_of(c.header) + " were written while they were on their way");
  if (writes && c.bytes > 0) std::memcpy(c.data, result.data(), c.bytes);
  ++member.ended;
}

void run(Collective c) {
  run_to_the_end(c);
  ++c.member->left;
}

void launch_now(const Collective& c) {
  {
    const std::scoped_lock lock(launched().mutex);
    launched().calls.push_back(text_of(c.header));
  }
  launch(c.stream, [c] { run(c); });
}

// NCCL's group job of a non-blocking communicator.
struct Job {
  std::thread thread;
  std::atomic<bool> done{false};
  ncclResult_t result = ncclSuccess;
};

thread_local int group_depth = 0;
thread_local std::vector<std::pair<ncclComm_t, Collective>> group;

}  // namespace

Live live() {
  Live all = detail::live_of_runtime();
  all.communicators = communicators;
  return all;
}

std::vector<std::string> collectives() {
  const std::scoped_lock lock(launched().mutex);
  return launched().calls;
}

}  // namespace ddls::fake_cuda

using namespace ddls::fake_cuda;

// Plain members, as NCCL has them: who uses one from two threads without a lock is reported by ThreadSanitizer.
struct ncclComm {
  std::shared_ptr<Member> member;
  bool blocking = true;
  Job* job = nullptr;
};

namespace {

// Waits for the other ranks of the name.
ncclResult_t join(const std::string& name, int rank, int ranks, bool blocking, ncclComm_t* comm) {
  auto made = std::make_unique<ncclComm>();
  try {
    made->member = std::make_shared<Member>(name, rank, ranks);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return ncclSystemError;
  }
  made->member->meeting.barrier(made->member->aborted);
  if (rank == 0) made->member->meeting.remove_name();
  made->blocking = blocking;
  ++communicators;
  *comm = made.release();
  return ncclSuccess;
}

ncclResult_t settle(ncclComm_t comm) {
  ncclResult_t state = ncclInProgress;
  while (state == ncclInProgress) ncclCommGetAsyncError(comm, &state);
  return state;
}

ncclResult_t launch_group() {
  std::vector<std::pair<ncclComm_t, Collective>> calls;
  calls.swap(group);
  bool in_progress = false;
  for (const auto& [comm, call] : calls) {
    if (comm->blocking) {
      launch_now(call);
      continue;
    }
    settle(comm);
    comm->job = new Job;
    comm->job->thread = std::thread([job = comm->job, call = call] {
      launch_now(call);
      job->done = true;
    });
    in_progress = true;
  }
  return in_progress ? ncclInProgress : ncclSuccess;
}

ncclResult_t enqueue(ncclComm_t comm, const Header& header, void* data, cudaStream_t stream) {
  const std::shared_ptr<Member>& member = comm->member;
  if (member->revoked) return ncclInvalidUsage;
  if (member->error != ncclSuccess) return static_cast<ncclResult_t>(member->error.load());
  const uint64_t number = ++member->calls;
  const std::shared_ptr<const Faults> now = faults();
  if (now->is("call_error", member->rank) && number == now->at) return ncclUnhandledCudaError;
  if (now->is("call_hangs", member->rank) && number == now->at) member->hang();
  const size_t bytes = header.count * element_size(static_cast<ncclDataType_t>(header.type));
  group.emplace_back(comm, Collective{member, header, ddls::fake_gpu::host_address(data), bytes, stream});
  return group_depth > 0 ? ncclSuccess : launch_group();
}

}  // namespace

ncclResult_t ncclGetVersion(int* version) {
  *version = faults()->kind == "old_version" ? 21803 : NCCL_VERSION_CODE;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<int> made{0};
  if (faults()->kind == "id_error") return ncclSystemError;
  const char* const tag = std::getenv("DDLS_FAKE_CUDA_TAG");
  std::memset(id, 0, sizeof *id);
  std::snprintf(id->internal, sizeof id->internal, "/ddls-fake-nccl-%s-%d-%d", tag == nullptr ? "0" : tag, getpid(),
                ++made);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  const std::shared_ptr<const Faults> now = faults();
  if (now->is("init_error", rank)) return ncclSystemError;
  if (now->is("init_dies", rank)) kill(getpid(), SIGKILL);
  if (now->is("init_slow", rank)) std::this_thread::sleep_for(std::chrono::milliseconds(now->milliseconds));
  while (now->is("init_never", rank)) pause();
  return join(id.internal, rank, ranks, config->blocking != 0 && !now->nonblocking, comm);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  *state = static_cast<ncclResult_t>(comm->member->error.load());
  if (comm->member->revoked) *state = comm->member->left < comm->member->calls ? ncclInProgress : ncclSuccess;
  if (comm->job == nullptr) return ncclSuccess;
  if (!comm->job->done) {
    *state = ncclInProgress;
    return ncclSuccess;
  }
  comm->job->thread.join();
  delete comm->job;
  comm->job = nullptr;
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  Member& member = *comm->member;
  if (member.revoked) return ncclInvalidUsage;
  const std::shared_ptr<const Faults> now = faults();
  if (now->is("finalize_error", member.rank)) return ncclSystemError;
  while (now->is("finalize_never", member.rank)) pause();
  while (member.ended < member.calls) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  member.meeting.header_of(member.rank) = {.number = member.calls};
  if (!member.meeting.barrier(member.aborted)) return ncclInternalError;
  for (int rank = 0; rank < member.ranks; ++rank)
    if (member.meeting.header_of(rank).number != member.calls)
      broken(member, std::to_string(member.calls) + " collectives, but rank " + std::to_string(rank) + " made " +
                         std::to_string(member.meeting.header_of(rank).number));
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  delete comm;
  --communicators;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  while (faults()->abort_hangs) pause();
  comm->member->aborted = true;
  return ncclCommDestroy(comm);
}

ncclResult_t ncclCommRevoke(ncclComm_t comm, int flags) {
  if (flags != NCCL_REVOKE_DEFAULT) return ncclInvalidArgument;
  comm->member->revoked = true;
  comm->member->aborted = true;  // who waits for others in a collective gives up
  return ncclSuccess;
}

// Survivors that name different lost ranks do not meet: they wait for ever.
ncclResult_t ncclCommShrink(ncclComm_t comm, int* lost, int count, ncclComm_t* smaller, ncclConfig_t*, int flags) {
  const Member& old = *comm->member;
  const std::set<int> without(lost, lost + count);
  if (without.contains(old.rank) || old.ranks <= count) return ncclInvalidArgument;
  if (flags == NCCL_SHRINK_ABORT) comm->member->aborted = true;
  if (flags == NCCL_SHRINK_DEFAULT && old.left < old.calls) return ncclInvalidUsage;  // work is under way
  std::string name = old.name;
  name.append("-without");
  for (const int rank : without) name.append("-").append(std::to_string(rank));
  const auto below = static_cast<int>(std::distance(without.begin(), without.lower_bound(old.rank)));
  return join(name, old.rank - below, old.ranks - count, comm->blocking, smaller);
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  if (from != to) return ncclInvalidArgument;  // the channel reduces in place
  return enqueue(comm, {0, count, all_reduce_op, type, op}, to, stream);
}

ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                           cudaStream_t stream) {
  if (from != to || root < 0 || root >= comm->member->ranks) return ncclInvalidArgument;
  return enqueue(comm, {0, count, broadcast_op, type, root}, to, stream);
}

ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (group_depth == 0) return ncclInvalidUsage;
  return --group_depth > 0 ? ncclSuccess : launch_group();
}

const char* ncclGetLastError(ncclComm_t) { return "the fake was told so"; }

const char* ncclGetErrorString(ncclResult_t code) {
  switch (code) {
    case ncclUnhandledCudaError:
      return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError:
      return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInvalidUsage:
      return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    default:
      return "an error of the fake NCCL";
  }
}
