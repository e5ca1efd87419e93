#pragma once
// Which chains of a block still wait for something, for methods that evaluate those alone. On a CPU the host counts
// them. A GPU would have to be waited for, until it has nothing to do: there the host knows how many waited some calls
// ago from a copy that was launched then, and the batch has room for so many; who in it does not wait is the caller's
// to leave out. A chain that waits again (it was lost and started anew) may find no place until the count knows of it:
// the caller asks those alone that are in the batch. So batches are a function of the chains alone, not of time.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

namespace ddls::sampling {

class OpenChains {
 public:
  static constexpr int64_t lag = 2;  // calls

  struct Rows {
    at::Tensor wanted;  // [m] int64: distinct; on a CPU those that wait, on a GPU first those, then others
    at::Tensor padded;  // [size] int64: these, filled up with the first (padded_rows)
  };
  // `open`: [n] bool. `size_for(count)`: the batch that holds `count` chains, at most n. Nothing where none is left, as
  // far as is known.
  std::optional<Rows> next(const at::Tensor& open, const std::function<int64_t(int64_t count)>& size_for);

  // As after calls with these counts, of which the last come last; at most `lag` of them.
  void start_after(const std::vector<int64_t>& counts);
  // [] int64: how many waited in the last call, on their device (a GPU's).
  const at::Tensor& last_count() const { return last_; }

 private:
  std::deque<std::function<int64_t()>> counts_;
  at::Tensor last_;
};

}  // namespace ddls::sampling
