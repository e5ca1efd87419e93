#include "data/tar_set.hpp"

#include <ATen/ATen.h>

#include "data/dataset.hpp"
#include "scratch_folder.hpp"
#include "tensor/image_io.hpp"
#include "unit/data/tar_writer.hpp"

namespace ddls {
namespace {

using namespace test;

std::string png(int64_t shade) { return encode_png(at::full({1, 2, 2}, shade, at::kByte)); }

// A member "0001.png" of WebDataset with its label.
std::string sample(const std::string& key, int64_t shade, int64_t label) {
  return tar_member(key + ".png", png(shade)) + tar_member(key + ".cls", fmt::format("{}\n", label));
}

DataConfig config_of(const std::filesystem::path& path) {
  DataConfig config;
  config.kind = "tar";
  config.train = path;
  return config;
}

Dataset open(const std::filesystem::path& path) { return open_dataset(config_of(path), Split::train, 1); }

std::vector<int64_t> values(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kLong).contiguous();
  return {dense.data_ptr<int64_t>(), dense.data_ptr<int64_t>() + dense.numel()};
}

std::vector<int64_t> shades(const Dataset& set) { return values(set.rows(0, set.size()).flatten(1).select(1, 0)); }

using Numbers = std::vector<int64_t>;

TEST(TarSet, shards_of_webdataset) {
  const ScratchFolder folder;
  put_bytes(folder / "set/b.tar", sample("x/3", 3, 1) + tar_end());
  put_bytes(folder / "set/a.tar", tar_member("README.md", "?") + sample("x/2", 2, 5) +
                                      tar_member("x/1.json", R"({"label": 0})") + tar_member("x/1.png", png(1)) +
                                      tar_member("x/._1.png", "hidden") + tar_end());
  put_bytes(folder / "set/c.tar", tar_end());  // an empty shard
  put_bytes(folder / "set/notes.txt", "no shard");
  const Dataset set = open(folder / "set");
  EXPECT_EQ(set.name, "set");
  EXPECT_FALSE(set.samples.defined());
  EXPECT_EQ(set.shape(), (Numbers{1, 2, 2}));
  EXPECT_EQ(shades(set), (Numbers{2, 1, 3}));
  EXPECT_EQ(values(set.labels), (Numbers{5, 0, 1}));
  EXPECT_EQ(set.classes(), 6);
  const Dataset::Rows some = set.take(at::tensor({2, 0, 2}, at::kLong));
  EXPECT_EQ(values(some.samples.flatten(1).select(1, 3)), (Numbers{3, 2, 3}));
  EXPECT_EQ(values(some.labels), (Numbers{1, 5, 1}));
}

TEST(TarSet, class_folders_below_what_all_share) {
  const ScratchFolder folder;
  put_bytes(folder / "a.tar", tar_member("./set/", "", '5') + tar_member("./set/info.json", "{}") +
                                  tar_member("./set/dog/1.png", png(1)) + tar_member("./set/cat/2.0.png", png(2)) +
                                  tar_member("./set/cat/2.1.PNG", png(3)) + tar_end());
  EXPECT_EQ(shades(open(folder / "a.tar")), (Numbers{1, 2, 3}));
  EXPECT_EQ(values(open(folder / "a.tar").labels), (Numbers{1, 0, 0}));
  EXPECT_EQ(shades(open(folder / "a.tar/set/cat/")), (Numbers{2, 3}));
  EXPECT_FALSE(open(folder / "a.tar/set/cat").labels.defined());
  EXPECT_EQ(open_set((folder / "a.tar/set/cat").string()).size(), 2);
  const auto none = thrown_by([&] { open(folder / "a.tar/set/eel"); });
  EXPECT_EQ(none.code, Exit::data);
  EXPECT_TRUE(contains(none.message, "set/eel' holds no PNG or JPEG")) << none.message;
  put_bytes(folder / "b.tar", tar_member("1.png", png(1)) + tar_member("cat/2.png", png(2)) + tar_end());
  EXPECT_TRUE(contains(thrown_by([&] { open(folder / "b.tar"); }).message, "lies beside the folder 'cat'"));
}

TEST(TarSet, splits_in_one_archive_are_told_apart_by_path) {
  const ScratchFolder folder;
  put_bytes(folder / "a.tar", tar_member("c/test/cat/1.png", png(1)) + tar_member("c/train/cat/2.png", png(2)) +
                                  tar_member("c/train/dog/3.png", png(3)) + tar_end());
  const auto thrown = thrown_by([&] { open(folder / "a.tar"); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "ARCHIVE.tar/c/test")) << thrown.message;
  EXPECT_EQ(shades(open(folder / "a.tar/c/train")), (Numbers{2, 3}));
  EXPECT_EQ(open(folder / "a.tar/c/train").name, "c train");
}

TEST(TarSet, sets_that_cannot_be_used) {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& bytes, const std::string& part) {
    put_bytes(folder / "a.tar", bytes + tar_end());
    const auto thrown = thrown_by([&] { open(folder / "a.tar"); });
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, part)) << thrown.message;
  };
  refused(tar_member("a.txt", "x"), "holds no PNG or JPEG");
  refused(sample("1", 1, 1) + tar_member("2.png", png(2)), "a.tar/2.png' has no label");
  refused(sample("1", 1, 1) + tar_member("2.png", png(2)) + tar_member("2.cls", "cat"), "2.cls' holds no class number");
  refused(tar_member("1.json", "{\"la") + tar_member("1.png", png(1)), "1.json' is no JSON object");
  refused(tar_member("1.png", png(1)) + tar_member("1.seg.png", png(1)) + tar_member("1.cls", "1"), "second image");
  refused(tar_member("1.png", "", '2'), "1.png' is a link");
  std::filesystem::create_directories(folder / "empty");
  EXPECT_EQ(thrown_by([&] { open(folder / "empty"); }).code, Exit::data);
  const auto missing = thrown_by([&] { open(folder / "none.tar/inside"); });
  EXPECT_EQ(missing.code, Exit::missing);
  EXPECT_TRUE(contains(missing.message, "data.train: '")) << missing.message;
}

TEST(TarSet, damaged_archives_end_the_run_or_are_cut_short) {
  const ScratchFolder folder;
  std::string bytes = sample("1", 1, 0) + sample("2", 2, 1) + sample("3", 3, 2);
  bytes[sample("1", 1, 0).size() + 5] ^= 1;  // in the name of the second image
  put_bytes(folder / "s/a.tar", bytes + tar_end());
  put_bytes(folder / "s/b.tar", sample("4", 4, 0) + sample("5", 5, 1));  // no end
  put_bytes(folder / "s/c.tar", sample("6", 6, 0) + tar_member("7.png", png(7)) + tar_member("7.cls", "") + tar_end());
  const auto thrown = thrown_by([&] { open(folder / "s"); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "s/a.tar' is damaged or truncated at byte")) << thrown.message;
  DataConfig config = config_of(folder / "s");
  config.damaged = "skip";
  const Dataset set = open_dataset(config, Split::train, 1);
  EXPECT_EQ(shades(set), (Numbers{1, 4, 5, 6}));
  EXPECT_EQ(set.damaged, 3);
}

TEST(TarSet, digest_sees_names_sizes_order_and_how_images_are_decoded) {
  const ScratchFolder folder;
  const auto digest = [&](const std::string& bytes, int64_t size = 0) {
    put_bytes(folder / "a.tar", bytes + tar_end());
    DataConfig config = config_of(folder / "a.tar");
    config.image_size = size;
    return open_dataset(config, Split::train, 1).digest();
  };
  const uint64_t one = digest(sample("1", 1, 0) + sample("2", 2, 1));
  EXPECT_EQ(one, digest(sample("1", 1, 0) + sample("2", 2, 1)));
  EXPECT_NE(one, digest(sample("2", 2, 1) + sample("1", 1, 0)));
  EXPECT_NE(one, digest(sample("1", 1, 0) + sample("3", 2, 1)));
  EXPECT_NE(one, digest(sample("1", 1, 0) + sample("2", 2, 3)));
  EXPECT_NE(one, digest(sample("1", 1, 0) + sample("2", 2, 1), 4));
}

}  // namespace
}  // namespace ddls
