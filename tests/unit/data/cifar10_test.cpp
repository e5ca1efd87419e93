#include "data/cifar10.hpp"

#include <ATen/ATen.h>

#include "data/dataset.hpp"
#include "scratch_folder.hpp"

namespace ddls::data::cifar10_test {
namespace {

using namespace test;

std::string record(char label, char red, char green, char blue) {
  return std::string(1, label) + std::string(1024, red) + std::string(1024, green) + std::string(1024, blue);
}

TEST(Cifar10, batches_in_order_and_the_test_batch) {
  const ScratchFolder folder;
  put_bytes(folder / "data_batch_2.bin", record(9, 40, 50, 60));
  put_bytes(folder / "data_batch_1.bin", record(3, 1, 2, 3) + record(0, 4, 5, 6));
  put_bytes(folder / "test_batch.bin", record(7, 7, 8, 9));
  put_bytes(folder / "batches.meta.txt", "airplane");
  config::DataConfig config;
  config.kind = "cifar10";
  config.train = config.test = folder.path();
  const Dataset train = open_dataset(config, Split::train, 1), test = open_dataset(config, Split::test, 1);
  EXPECT_EQ(train.name, "CIFAR-10 train");
  EXPECT_EQ(train.shape(), (std::vector<int64_t>{3, 32, 32}));
  EXPECT_TRUE(at::equal(train.labels, at::tensor({3, 0, 9}, at::kLong)));
  EXPECT_TRUE(at::equal(train.samples.select(3, 31).select(2, 31),
                        at::tensor({1, 2, 3, 4, 5, 6, 40, 50, 60}, at::kByte).view({3, 3})));
  EXPECT_TRUE(train.samples.is_contiguous());
  EXPECT_EQ(test.labels.item<int64_t>(), 7);
  EXPECT_EQ(read_cifar10(folder / "data_batch_2.bin", true).labels.item<int64_t>(), 9);
}

TEST(Cifar10, files_that_cannot_be_used) {
  const ScratchFolder folder;
  EXPECT_EQ(thrown_by([&] { read_cifar10(folder.path(), false); }).code, Exit::data);
  EXPECT_EQ(thrown_by([&] { read_cifar10(folder.path(), true); }).code, Exit::missing);
  const auto refused = [&](const std::string& bytes, const std::string& part) {
    put_bytes(folder / "data_batch_1.bin", bytes);
    const auto thrown = thrown_by([&] { read_cifar10(folder.path(), false); });
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, "data_batch_1.bin") && contains(thrown.message, part)) << thrown.message;
  };
  refused("", "truncated");
  refused(record(1, 2, 3, 4).substr(1), "truncated");
  refused(record(10, 2, 3, 4), "label of 10");
}

}  // namespace
}  // namespace ddls::data::cifar10_test
