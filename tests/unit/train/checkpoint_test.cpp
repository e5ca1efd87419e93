#include "train/checkpoint.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls::train::checkpoint_test {
namespace {

struct Checkpoints : ::testing::Test {
  fs::path folder = fs::path(::testing::TempDir()) / "ddls_checkpoint_test";
  CheckpointStore store{folder, "step", 2};
  void SetUp() override { fs::remove_all(folder); }

  static Checkpoint sample(float value) {
    Checkpoint c;
    c.tensors["net"] = {{"w", at::full({10}, value)}};
    c.state = {{"step", 1}, {"key", "k"}};
    return c;
  }
  static void flip_bit(const fs::path& file) {
    std::string bytes = read_file(file);
    bytes[bytes.size() - 2] ^= 4;
    write_file(file, bytes);
  }
};

TEST_F(Checkpoints, RoundTripAndKeepTheNewest) {
  EXPECT_FALSE(store.newest());
  for (const int64_t step : {5, 10, 100}) store.save(step, sample(static_cast<float>(step)));
  EXPECT_EQ(*store.newest(), store.path_of(100));
  EXPECT_FALSE(fs::exists(store.path_of(5)));
  EXPECT_TRUE(fs::exists(store.path_of(10)));
  const Checkpoint c = read_checkpoint(store.path_of(100));
  EXPECT_TRUE(at::equal(c.tensors.at("net").at("w"), at::full({10}, 100.0F)));
  EXPECT_EQ(c.state["key"], "k");
  EXPECT_EQ(store.path_of(100).filename(), "step-00000100");
}

TEST_F(Checkpoints, DamageIsFoundAndTheOneBeforeIsUsed) {
  for (const char* victim : {"net.safetensors", "state.json", "manifest.json"}) {
    store.clear();
    store.save(1, sample(1));
    store.save(2, sample(2));
    flip_bit(store.path_of(2) / victim);
    if (std::string(victim) == "manifest.json") write_file(store.path_of(2) / victim, "{\"sch");
    EXPECT_EQ(*store.newest(), store.path_of(1)) << victim;
    try {
      read_checkpoint(store.path_of(2));
      FAIL() << victim;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Exit::data);
      EXPECT_NE(std::string(e.what()).find(victim), std::string::npos) << e.what();
    }
  }
}

TEST_F(Checkpoints, AManifestOfAnotherShapeIsDamage) {
  store.save(1, sample(1));
  for (const char* text : {"[]", "{}", R"({"files": 5})", R"({"files": {"net.safetensors": 5}})",
                           R"({"files": {"net.safetensors": {"sha256": 5}}})"}) {
    store.save(2, sample(2));
    write_file(store.path_of(2) / "manifest.json", text);
    EXPECT_EQ(*store.newest(), store.path_of(1)) << text;
    try {
      read_checkpoint(store.path_of(2));
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Exit::data) << text;
      EXPECT_NE(std::string(e.what()).find("manifest.json"), std::string::npos) << e.what();
    }
  }
}

TEST_F(Checkpoints, PartialFoldersAreNotCheckpoints) {
  store.save(1, sample(1));
  fs::create_directories(folder / "step-00000002.partial");
  fs::create_directories(store.path_of(3));  // no manifest: the writer died before the end
  EXPECT_EQ(*store.newest(), store.path_of(1));
  fs::remove(store.path_of(1) / "net.safetensors");
  EXPECT_FALSE(store.newest());
}

TEST_F(Checkpoints, SomeStayForGood) {
  CheckpointStore keeping(folder, "kept", 1, 4);
  for (const int64_t step : {2, 4, 6, 8, 9, 10}) keeping.save(step, sample(1));
  for (const int64_t step : {4, 8, 10}) EXPECT_TRUE(fs::exists(keeping.path_of(step))) << step;
  for (const int64_t step : {2, 6, 9}) EXPECT_FALSE(fs::exists(keeping.path_of(step))) << step;
}

TEST_F(Checkpoints, MissingIsItsOwnError) {
  try {
    read_checkpoint(folder / "nowhere");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Exit::missing);
  }
}

}  // namespace
}  // namespace ddls::train::checkpoint_test
