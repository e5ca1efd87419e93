#pragma once
// Costly numbers dealt to the ranks, where what each is computed from takes all of them.
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dist/communicator.hpp"
#include "metrics/long_work.hpp"

namespace ddls::metrics {

// The values use(i, make(i)) for i below `count`, on every rank. `make` is collective and called by all in order; `use`
// must not communicate, and of a round of as many values as there are ranks, each rank computes one: what is made for
// others is dropped at once. The values do not depend on who computes them. `title`: of the progress that long work
// shows. What `use` throws is a CollectiveError. **Collective.**
template <typename Make, typename Use>
std::vector<double> dealt(dist::Communicator& comm, const std::string& title, int64_t count, Make make, Use use) {
  at::Tensor values = at::zeros({count}, at::kDouble);
  LongWork work(title, (count + comm.ranks() - 1) / comm.ranks(), comm.root());
  for (int64_t from = 0; from < count; from += comm.ranks()) {
    const int64_t own = from + comm.rank();
    std::optional<decltype(make(int64_t{0}))> mine;
    for (int64_t i = from; i < std::min<int64_t>(from + comm.ranks(), count); ++i) {
      auto made = make(i);
      if (i == own) mine = std::move(made);
    }
    comm.together([&] {
      if (mine) values.data_ptr<double>()[own] = use(own, *mine);
    });
    work.step();
  }
  if (count > 0) comm.all_reduce(values);
  return {values.data_ptr<double>(), values.data_ptr<double>() + count};
}

}  // namespace ddls::metrics
