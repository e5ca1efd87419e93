#include <ATen/ATen.h>

#include "data/dataset.hpp"
#include "scratch_folder.hpp"

namespace ddls::data::epoch_order_test {
namespace {

TEST(EpochOrder, every_id_once_per_epoch) {
  EpochOrder order(1, 101);
  const at::Tensor ids = order.ids(0, 303);
  EXPECT_EQ(ids.scalar_type(), at::kLong);
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    const at::Tensor sorted = std::get<0>(ids.narrow(0, epoch * 101, 101).sort());
    EXPECT_TRUE(at::equal(sorted, at::arange(101)));
  }
  EXPECT_FALSE(at::equal(ids.narrow(0, 0, 101), ids.narrow(0, 101, 101)));
  EXPECT_FALSE(at::equal(ids.narrow(0, 0, 101), at::arange(101)));
}

TEST(EpochOrder, any_position_can_be_asked_for_in_any_order) {
  EpochOrder whole(9, 10);
  const at::Tensor ids = whole.ids(0, 60);
  EpochOrder other(9, 10);
  for (const int64_t first : {55, 0, 17, 9, 38}) {
    EXPECT_TRUE(at::equal(other.ids(first, 5), ids.narrow(0, first, 5))) << first;
  }
  EXPECT_TRUE(at::equal(other.ids(7, 40), ids.narrow(0, 7, 40)));  // more than one epoch at once
  EXPECT_EQ(other.ids(3, 0).numel(), 0);
}

TEST(EpochOrder, depends_on_the_seed) {
  EXPECT_FALSE(at::equal(EpochOrder(1, 50).ids(0, 50), EpochOrder(2, 50).ids(0, 50)));
  EXPECT_FALSE(at::equal(EpochOrder(1, 50).ids(0, 50), EpochOrder(1ULL << 32 | 1, 50).ids(0, 50)));
}

// The first id of an epoch is uniform: 2000 epochs of 4 ids, each first about 500 times.
TEST(EpochOrder, no_id_is_favoured) {
  EpochOrder order(4, 4);
  const at::Tensor first = order.ids(0, 8000).reshape({2000, 4}).select(1, 0);
  const at::Tensor counts = at::bincount(first, {}, 4);
  EXPECT_LT((counts - 500).abs().max().item<int64_t>(), 4 * 20);
}

TEST(EpochOrder, an_empty_set_has_no_order) {
  EpochOrder order(1, 0);
  EXPECT_EQ(test::thrown_by([&] { order.ids(0, 1); }).code, Exit::internal);
}

}  // namespace
}  // namespace ddls::data::epoch_order_test
