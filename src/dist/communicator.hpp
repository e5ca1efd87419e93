#pragma once
// Collectives on tensors. One concrete class: CPU tensors go over MPI, CUDA tensors over NCCL, or through host memory
// where ranks share a GPU. Every member below is **collective**: all ranks, same order, same shapes unless said.
// Dense contiguous tensors; dtypes uint8, int32, int64, float32, float64, bfloat16 (CUDA only; broadcast and
// gather_rows move any). Throws Error(runtime) naming operation, rank, size and the library's text. A rank that waits
// longer than the watchdog's limit ends the job with exit code 71 and "rank 3 hung in all_reduce #1841, 25 MiB"; so
// does a rank that gave no sign of life for so long (heartbeat.hpp), wherever the others are, with "rank 5 on node7
// gave no sign of life".
#include <ATen/core/Tensor.h>
#include <mpi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "dist/topology.hpp"

namespace ddls::dist {

enum class Reduce { sum, mean, min, max };  // mean: floating point only

// A reduction under way. `wait()` makes the result usable on the current stream (or, on CPU, returns at once) and may
// be called again. It holds the tensor until then.
class Pending {
 public:
  Pending() = default;
  explicit Pending(std::function<void()> wait) : wait_(std::move(wait)) {}
  void wait() {
    if (auto wait = std::exchange(wait_, nullptr)) wait();
  }

 private:
  std::function<void()> wait_;
};

class Communicator {
 public:
  // Tests pass MPI_COMM_SELF, a split, or a small `chunk_bytes` (the longest single MPI message, below 2 GiB).
  Communicator(MPI_Comm comm, const Topology& topology, double timeout_s = 600, int64_t chunk_bytes = int64_t{1} << 30);
  ~Communicator();
  Communicator(Communicator&&) noexcept;
  Communicator& operator=(Communicator&&) noexcept;

  int rank() const;
  int ranks() const;
  bool root() const { return rank() == 0; }
  const Topology& topology() const;

  void all_reduce(at::Tensor& tensor, Reduce op = Reduce::sum);
  // Asynchronous on NCCL; on MPI it has finished on return (no progress thread: overlap costs more than it gains).
  Pending all_reduce_async(at::Tensor tensor, Reduce op = Reduce::sum);
  void broadcast(at::Tensor& tensor, int root = 0);
  // Rows of all ranks in rank order on `root`, nothing elsewhere. Ranks may differ in (also zero) rows; trailing sizes
  // and dtype agree, or all ranks throw. Moves in chunks below 2 GiB. The result lies on the CPU.
  std::optional<at::Tensor> gather_rows(const at::Tensor& rows, int root = 0);
  bool any(bool mine);  // over host MPI
  void barrier();
  // Throws CollectiveError(runtime), naming the ranks that differ from rank 0.
  void require_same(uint64_t digest, std::string_view what);

  // The next two wait without spinning, and as long as the others give signs of life: what they do meanwhile may take
  // its time. Past the watchdog's limit a warning says who is waited for.
  // Runs `action` on rank 0; if it throws anything, every rank throws CollectiveError with its code and message. What
  // it returns (nothing, a bool, or bytes as a std::string), every rank returns.
  template <typename Action>
  auto on_root(Action&& action);
  // Every rank runs `action`, which must not communicate, and returns what its own returned; if any throws, all throw
  // CollectiveError with the code and message of the lowest such rank. No rank is left behind.
  template <typename Action>
  auto together(Action&& action);

 private:
  std::string bytes_of_root(const std::function<std::string()>& action);
  void all_or_none(const std::function<void()>& action);

  struct State;
  std::unique_ptr<State> state_;
};

template <typename Action>
auto Communicator::on_root(Action&& action) {
  using Result = std::invoke_result_t<Action>;
  if constexpr (std::is_void_v<Result>) {
    bytes_of_root([&] { return action(), std::string(); });
  } else if constexpr (std::is_same_v<Result, bool>) {
    return bytes_of_root([&] { return std::string(action() ? "1" : "0"); }) == "1";
  } else {
    static_assert(std::is_convertible_v<Result, std::string>, "bytes, a bool or nothing travels to the other ranks");
    return bytes_of_root(action);
  }
}

template <typename Action>
auto Communicator::together(Action&& action) {
  using Result = std::invoke_result_t<Action>;
  if constexpr (std::is_void_v<Result>) {
    all_or_none(action);
  } else {
    std::optional<Result> result;
    all_or_none([&] { result.emplace(action()); });
    return *std::move(result);
  }
}

}  // namespace ddls::dist
