// What is no archive of programs, and what it is told; programs of an archive that is one.
#include "tensor/pt2_archive.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "expect_says.hpp"
#include "scratch_folder.hpp"
#include "tensor/stored_zip.hpp"
#include "tensor/zip_reader.hpp"

namespace ddls::tensor::pt2_archive_test {
namespace {

const fs::path fixture = fs::path(DDLS_TEST_DATA) / "gaussian_ratio.pt2";  // make_pt2_fixture.py

class Pt2ArchiveTest : public testing::Test {
 protected:
  fs::path zip(const std::vector<std::string>& entries) {
    const fs::path file = scratch / "a.pt2";
    StoredZip archive(file);
    for (const std::string& name : entries) {
      archive.begin(name, name.size());
      archive.write(std::as_bytes(std::span(name)));
      archive.end();
    }
    archive.finish();
    return file;
  }
  // The message, or "fine".
  static std::string verdict(const fs::path& file, Exit code = Exit::data) {
    try {
      open_pt2(file, "--generator");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(file.string()), std::string::npos) << error.what();
      return error.what();
    }
    return "fine";
  }
  test::ScratchFolder scratch;
};

TEST_F(Pt2ArchiveTest, WhatIsNoArchive) {
  EXPECT_SAYS(verdict(scratch / "none.pt2", Exit::missing), "no such file");
  EXPECT_SAYS(verdict(scratch.path()), "a folder and not a .pt2 archive");
  write_file(scratch / "text.pt2", "hello");
  EXPECT_SAYS(verdict(scratch / "text.pt2"), "no .pt2 archive");
  write_file(scratch / "empty.pt2", "");
  EXPECT_SAYS(verdict(scratch / "empty.pt2"), "no .pt2 archive");
  EXPECT_SAYS(verdict(zip({"a/b"})), "a .zip, but no .pt2 archive");
  EXPECT_SAYS(verdict(zip({"a/constants.pkl"})), "a TorchScript file");
  EXPECT_SAYS(verdict(zip({"a/data.pkl"})), "written by torch.save");
  EXPECT_SAYS(verdict(zip({"a/archive_format", "a/data/aotinductor/model/x.so"})), "compiled code (AOTInductor)");
  EXPECT_SAYS(verdict(zip({"a/archive_format", "a/models/ratio.json"})), "no ddls.json");
  EXPECT_EQ(verdict(zip({"a/archive_format", "a/models/ratio.json", "a/extra/ddls.json"})), "fine");
}

TEST_F(Pt2ArchiveTest, DamagedFiles) {
  const std::string bytes = read_file(fixture);
  write_file(scratch / "cut.pt2", bytes.substr(0, bytes.size() / 2));
  EXPECT_SAYS(verdict(scratch / "cut.pt2"), "cut off");
  std::string flipped = bytes;
  flipped[flipped.find("\"graph\"") + 2] ^= 1;
  write_file(scratch / "flipped.pt2", flipped);
  EXPECT_SAYS(verdict(scratch / "flipped.pt2"), "is not what its checksum says");
}

TEST_F(Pt2ArchiveTest, ProgramsRun) {
  const Pt2Archive archive = open_pt2(fixture, "--generator");
  EXPECT_EQ(archive.programs.count("ratio_grad"), 1u);
  const Pt2Program decode(archive, "decode");
  const at::Tensor z = at::arange(6, at::kFloat).view({2, 3}).t();  // not contiguous
  const at::Tensor x = decode({z.narrow(1, 0, 2), at::Tensor()}, 1).front();
  EXPECT_TRUE(at::allclose(x, at::matmul(z, at::tensor({2.0f, 0.0f, 0.5f, 1.0f}).view({2, 2}))));
  EXPECT_FALSE(x.is_inference());
  EXPECT_TRUE(x.is_contiguous());
  EXPECT_EQ(test::thrown_by([&] { decode({z}, 2); }).code, Exit::data);
  EXPECT_EQ(test::thrown_by([&] { Pt2Program(archive, "energy"); }).code, Exit::data);
  const Pt2Archive broken{.file = zip({"a/archive_format", "a/models/ratio.json", "a/extra/ddls.json"}),
                          .programs = {"ratio"},
                          .description = "{}"};
  EXPECT_EQ(test::thrown_by([&] { Pt2Program(broken, "ratio"); }).code, Exit::data);
}

}  // namespace
}  // namespace ddls::tensor::pt2_archive_test
