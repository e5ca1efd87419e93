// One process of a training that goes on without the ranks that it loses: the plan of docs/data_parallel.md, on the
// fake NCCL. No MPI, which dies with a rank: processes meet in a folder, where each writes its process id, and
// survivors agree on who is lost. A batch has a fixed number of shards, whose gradients are summed exactly; so a
// broken update that the survivors repeat from the weights before it gives the weights of an undisturbed training.
// Some may have come one update further than others, so the weights before the last one are kept. Arguments: folder,
// rank, ranks, steps, and a step whose result this rank looks at late, if any. Prints the ranks at the end and the
// digest of the weights.
#include <ATen/ATen.h>
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "device/cuda_check.hpp"
#include "dist/check.hpp"
#include "fake_gpu/aliases.hpp"
#include "fake_gpu/fake_gpu.hpp"

namespace ddls {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int shards = 12, weights = 1000;
constexpr double limit_s = 1;  // of a collective, before somebody is thought to be lost

void rest() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

// What survivors share besides NCCL. A file is written whole, then named.
class Folder {
 public:
  explicit Folder(fs::path path) : path_(std::move(path)) {}
  void put(const std::string& name, const std::string& text) const {
    const fs::path part = path_ / (name + "." + std::to_string(getpid()));
    std::ofstream(part) << text;
    fs::rename(part, path_ / name);
  }
  bool has(const std::string& name) const { return fs::exists(path_ / name); }
  std::string wait_for(const std::string& name) const {
    while (!has(name)) rest();
    return read_file(path_ / name);
  }

 private:
  fs::path path_;
};

// By the number that it had at the start, which is its name. Who has done all updates takes part no more.
bool lives(const Folder& folder, int rank) {
  if (folder.has(fmt::format("done.{}", rank))) return false;
  const pid_t pid = std::stoi(folder.wait_for("pid." + std::to_string(rank)));
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  return static_cast<bool>(stat >> number >> name >> state) && state != "Z";
}

struct Agreement {
  std::vector<int> left;
  int step = 0;  // the first that somebody has not done
};

// All who are left tell whom they see and their step, until all see the same; who ends meanwhile is missed in the next
// round.
Agreement agree(const Folder& folder, const std::vector<int>& members, int me, int generation, int step) {
  for (int round = 0;; ++round) {
    Agreement all{.left = {}, .step = step};
    for (const int rank : members)
      if (lives(folder, rank)) all.left.push_back(rank);
    const std::string seen = fmt::format("{}", fmt::join(all.left, " "));
    const auto name = [&](int rank) { return fmt::format("left.{}.{}.{}", generation, round, rank); };
    folder.put(name(me), fmt::format("{}\n{}", step, seen));
    bool same = true;
    for (const int rank : all.left) {
      while (!folder.has(name(rank)) && lives(folder, rank)) rest();
      const std::string theirs = folder.has(name(rank)) ? folder.wait_for(name(rank)) : "";
      same = same && theirs.substr(theirs.find('\n') + 1) == seen;
      if (same) all.step = std::min(all.step, std::stoi(theirs));
    }
    if (same) return all;
  }
}

at::Tensor gradient_of(const at::Tensor& w, int step, int shard) {
  const at::Tensor place = at::arange(weights, at::kDouble);
  const at::Tensor gradient = at::sin(w.to(at::kDouble) * (1 + 0.1 * shard) + place * 0.01 * (step + 1));
  constexpr double grid = 1.5 * 4096;  // as GradientReducer: sums of multiples of 2^-40 have no rounding
  return (gradient + grid) - grid;
}

class Training {
 public:
  Training(const Folder& folder, int rank, int ranks) : folder_(folder), me_(rank) {
    for (int i = 0; i < ranks; ++i) members_.push_back(i);
    folder_.put(fmt::format("pid.{}", rank), std::to_string(getpid()));
    ncclUniqueId id;
    if (rank == 0) {
      DDLS_NCCL(ncclGetUniqueId(&id));
      folder_.put("id", std::string(id.internal, sizeof id.internal));
    }
    const std::string text = folder_.wait_for("id");
    std::memcpy(id.internal, text.data(), sizeof id.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 1;
    DDLS_NCCL(ncclCommInitRankConfig(&comm_, ranks, id, rank, &config));
    DDLS_CUDA(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, 0));
    DDLS_CUDA(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming));
    sum_ = at::zeros({weights}, at::TensorOptions(at::Device(at::kPrivateUse1, 0)).dtype(at::kDouble));
  }

  void run(int steps, int late_step) {
    at::Tensor w = at::zeros({weights}), before = w;
    for (int step = 0; step < steps;) {
      at::Tensor mine = at::zeros({weights}, at::kDouble);
      for (int shard = place(); shard < shards; shard += static_cast<int>(members_.size()))
        mine += gradient_of(w, step, shard);
      if (!all_reduce(mine, step == late_step)) {
        const int first = go_on_without_the_lost(step);
        ensure(first == step || first == step - 1, "step {} beside {}", step, first);
        if (first < step) w = before;
        step = first;  // from the same weights on every rank, with the shards dealt anew
        continue;
      }
      before = w;
      w = w - (mine / shards * 0.1).to(at::kFloat);
      ++step;
    }
    // Nobody is waited for at the end: who takes the last update for broken repeats it without those that have it.
    folder_.put(fmt::format("done.{}", me_), "");
    DDLS_NCCL(ncclCommAbort(comm_));
    const auto* bytes = static_cast<const char*>(w.const_data_ptr());
    std::printf("%zu left, %016llx\n", members_.size(),
                static_cast<unsigned long long>(hash64(std::string(bytes, w.nbytes()))));
  }

 private:
  int place() const { return static_cast<int>(std::find(members_.begin(), members_.end(), me_) - members_.begin()); }

  // False: somebody did not come.
  bool all_reduce(at::Tensor& values, bool late) {
    sum_.copy_(values);
    DDLS_NCCL(ncclAllReduce(sum_.data_ptr(), sum_.data_ptr(), weights, ncclFloat64, ncclSum, comm_, stream_));
    DDLS_CUDA(cudaEventRecord(done_, stream_));
    const auto start = Clock::now();
    if (late) std::this_thread::sleep_for(std::chrono::duration<double>(1.5 * limit_s));
    if (late && somebody_is_lost()) return false;
    cudaError_t state = cudaSuccess;
    while ((state = cudaEventQuery(done_)) == cudaErrorNotReady) {
      if (std::chrono::duration<double>(Clock::now() - start).count() > limit_s && somebody_is_lost()) return false;
      rest();
    }
    DDLS_CUDA(state);
    values.copy_(sum_);
    return true;
  }

  bool somebody_is_lost() const {
    return !std::all_of(members_.begin(), members_.end(), [&](int rank) { return lives(folder_, rank); });
  }

  // -> the step to go on with.
  int go_on_without_the_lost(int step) {
    DDLS_NCCL(ncclCommRevoke(comm_, NCCL_REVOKE_DEFAULT));
    for (ncclResult_t state = ncclInProgress; state == ncclInProgress; rest())
      DDLS_NCCL(ncclCommGetAsyncError(comm_, &state));
    DDLS_CUDA(cudaStreamSynchronize(stream_));
    const auto [left, first] = agree(folder_, members_, me_, ++generation_, step);
    std::vector<int> lost;  // by their ranks in this communicator
    for (size_t i = 0; i < members_.size(); ++i)
      if (!std::binary_search(left.begin(), left.end(), members_[i])) lost.push_back(static_cast<int>(i));
    ncclComm_t smaller = nullptr;
    DDLS_NCCL(ncclCommShrink(comm_, lost.data(), static_cast<int>(lost.size()), &smaller, nullptr, NCCL_SHRINK_ABORT));
    DDLS_NCCL(ncclCommDestroy(comm_));
    comm_ = smaller;
    members_ = left;
    return first;
  }

  const Folder& folder_;
  int me_, generation_ = 0;
  std::vector<int> members_;  // the ranks of now, in order, by their numbers at the start
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t done_ = nullptr;
  at::Tensor sum_;
};

}  // namespace
}  // namespace ddls

int main(int argc, char** argv) {
  const ddls::Folder folder(argv[1]);
  ddls::fake_gpu::set_current_device(0);
  ddls::Training(folder, std::atoi(argv[2]), std::atoi(argv[3]))
      .run(std::atoi(argv[4]), argc > 5 ? std::atoi(argv[5]) : -1);
}
