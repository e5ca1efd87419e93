#include "train/block_rows.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "dist/failure.hpp"

namespace ddls::train {

at::Tensor rows_by_all_ranks(int64_t count, const std::function<at::Tensor(const Block&)>& measure, const char* what,
                             dist::Communicator& comm) {
  constexpr int64_t blocks_per_round = 8;  // between two looks for a signal
  const BlockPlan plan{count, measured_block};
  const std::vector<Block> mine = plan.blocks_of(comm.rank(), comm.ranks());
  const auto own = static_cast<int64_t>(mine.size());
  const int64_t most = (plan.blocks() + comm.ranks() - 1) / comm.ranks();
  std::vector<at::Tensor> rows;
  Progress progress(what, count, 0, comm.root());
  for (int64_t begin = 0; begin < most; begin += blocks_per_round) {
    if (comm.any(stop_signal::requested()))
      dist::all_fail(Exit::stopped, "{}: stopped by a signal; what is measured for it begins anew", what);
    comm.together([&] {
      at::NoGradGuard no_grad;
      for (int64_t i = begin; i < std::min(begin + blocks_per_round, own); ++i) {
        const Block& block = mine[static_cast<size_t>(i)];
        rows.push_back(measure(block).narrow(0, 0, block.ids.size()).to(at::kCPU, at::kFloat));
      }
    });
    progress.update(std::min(count, (begin + blocks_per_round) * measured_block * comm.ranks()));
  }
  progress.finish();
  // A rank without a block has no rows, but must know how long they are.
  at::Tensor columns = at::full({1}, rows.empty() ? 0 : rows.front().size(1), at::kLong);
  comm.all_reduce(columns, dist::Reduce::max);
  const at::Tensor all = rows.empty() ? at::empty({0, columns.item<int64_t>()}, at::kFloat) : at::cat(rows);
  return comm.gather_rows(all).value_or(at::Tensor());
}

}  // namespace ddls::train
