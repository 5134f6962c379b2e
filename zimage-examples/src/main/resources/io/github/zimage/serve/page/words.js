"use strict";
/** What the page says, by language. */
const words = {
  en: {
    composer: "New picture", key: "API key", prompt: "What to draw", promptHint: "A red fox in fresh snow, early morning light…", template: "Template", style: "Style", none: "None",
    picture: "Start from a picture", choose: "Start from a picture…", remove: "Remove", strength: "How much changes", strengthLow: "a little", strengthHigh: "everything",
    paint: "Paint what to change", repaint: "Change the painted part", unpaint: "Forget it", extend: "Draw beyond its edges", left: "Left", top: "Top", right: "Right", bottom: "Bottom", startedFrom: "The picture to start from",
    format: "Format", asPicture: "As the picture", own: "Own size", draft: "Draft", publish: "Standard", print: "Large", width: "Width", height: "Height",
    sizeNote: (most, side) => `Multiples of 16; together at most ${most} pixels, as ${side} × ${side} has.`,
    loras: "LoRA", weight: "Weight", addLora: "Add a LoRA", count: "Pictures", seed: "Seed", random: "random",
    more: "More", negative: "What to avoid", negativeHint: "blurry, text, people…", negativeOff: "Without guidance or NAG this has no effect.", nagOn: "Set NAG to 2",
    guidance: "Guidance", nag: "NAG", steps: "Steps", sampler: "Sampler", schedule: "Schedule", upscaler: "Enlarge with", variation: "Variation", usual: "Standard", restNote: "Also from the picture:", restOff: "Leave it out", reset: "Back to the standard settings",
    draw: "Draw", cancel: "Cancel", pictures: "Pictures", all: "All", favourites: "Favourites", filter: "Which pictures to show", noFavourites: "No favourites yet: mark a picture with its star.",
    welcome: "What would you like to see?", dropHint: "Drop or paste a picture to start from it. A PNG that was made here brings its settings back.", dropNow: "Drop the picture",
    limitsSmall: "This is a small model for trying things out: it knows some hundred simple things and places them on coloured grounds.",
    limitsLarge: "Describe what one would see: subject, place, light, and how the picture is made. English and Chinese work alike.",
    place: n => `Waiting, place ${n}`, sending: "Sending…", starting: "Waiting for its turn…", step: (n, of) => `Step ${n} of ${of}`, finishing: "Finishing…", done: s => `Done in ${s} s.`, cancelled: "Cancelled.",
    again: "Draw again", dismiss: "Close", gone: "The server no longer knows this picture; it may have been started again.", drawing: "Being drawn", preview: "Preview of the picture that is being drawn",
    missing: "Say what to draw first.", open: slots => `Fill in what is still open: ${slots}.`, lost: "The server cannot be reached. Is it running?", wrong: "The server wants its API key: enter it above.",
    seedWrong: "The seed must be a whole number from 0 to 18446744073709551615.", number: (name, min, max) => `${name} must be a number from ${min} to ${max}.`, whole: (name, min, max) => `${name} must be a whole number from ${min} to ${max}.`,
    sixteen: name => `${name} must be a multiple of 16.`, tooLarge: (most, side) => `The picture may have ${most} pixels at most, as many as ${side} × ${side} has.`, both: "Guidance and NAG cannot be used together: set guidance to 0 or NAG to 1.", tooMany: n => `${n} requests are waiting already: let one finish first.`,
    tooLong: n => `The prompt may have ${n} characters at most.`, noPicture: "This file is no picture that the browser can read.",
    open1: "Open", use: "Use these settings", input: "Use as input", save: "Download", saveAs: "Save as", saveNote: "Only PNG files keep the settings.", delete: "Delete", deleted: "Deleted.", undo: "Undo", redo: "Redo", favourite: "Favourite",
    viewTitle: "Picture", close: "Close", previous: "Previous", next: "Next", zoomIn: "Larger", zoomOut: "Smaller", fit: "Fit", compare: "Before and after", compareSlider: "Where before ends and after begins",
    size: "Size", time: "Drawn in", taken: "The settings of the picture are in the form.", asInput: "Use it as input instead", notKept: "This browser keeps no pictures: they are gone when the page is closed.", full: "The browser has no more room: delete some pictures.",
    noSource: n => `It was drawn from a picture${n ? " and a mask" : ""}, which the file does not hold: add it below.`, fixes: "Apply the fixes", others: n => n === 1 ? "1 more note" : `${n} more notes`, formatGone: f => `This browser cannot write ${f}; it is a PNG.`,
    maskTitle: "Paint what to change", maskHelp: "What you paint is drawn anew; all else stays as it is.", maskCanvas: "Picture to paint on", maskKeys: "Keyboard: arrows move, Space paints, [ and ] change the brush, E erases, Ctrl+Z undoes.",
    brush: "Brush", erase: "Eraser", clear: "Clear", invert: "Invert", maskDone: "Use", codes: {}, slots: { subject: "subject", text: "text" }, params: {}, names: {}
  },
  zh: {
    composer: "新图片", key: "API 密钥", prompt: "画什么", promptHint: "雪地里的一只红狐狸，清晨的光线……", template: "模板", style: "风格", none: "无",
    picture: "从图片开始", choose: "从一张图片开始……", remove: "移除", strength: "改动多少", strengthLow: "一点点", strengthHigh: "全部",
    paint: "涂出要改的部分", repaint: "修改涂出的部分", unpaint: "取消涂抹", extend: "向画面外延伸", left: "左", top: "上", right: "右", bottom: "下", startedFrom: "作为起点的图片",
    format: "画幅", asPicture: "同原图", own: "自定义", draft: "草稿", publish: "标准", print: "大图", width: "宽", height: "高",
    sizeNote: (most, side) => `须为 16 的倍数；总像素不超过 ${most}，即 ${side} × ${side}。`,
    loras: "LoRA", weight: "权重", addLora: "添加 LoRA", count: "张数", seed: "种子", random: "随机",
    more: "更多", negative: "不要出现", negativeHint: "模糊、文字、人物……", negativeOff: "没有引导或 NAG 时，这里不起作用。", nagOn: "把 NAG 设为 2",
    guidance: "引导强度", nag: "NAG", steps: "步数", sampler: "采样器", schedule: "调度", upscaler: "放大模型", variation: "变体", usual: "标准", restNote: "图片里还有：", restOff: "不使用", reset: "恢复标准设置",
    draw: "开始绘制", cancel: "取消", pictures: "图片", all: "全部", favourites: "收藏", filter: "显示哪些图片", noFavourites: "还没有收藏：点图片下的星标即可收藏。",
    welcome: "想看到什么？", dropHint: "拖入或粘贴一张图片，就从它开始画。这里生成的 PNG 会带回它的设置。", dropNow: "松开以放入图片",
    limitsSmall: "这是供试用的小模型：它认识几百种简单的事物，并把它们放在彩色背景上。",
    limitsLarge: "写出画面里看得到的：主体、地点、光线，以及用什么手法表现。中文和英文都可以。",
    place: n => `等待中，第 ${n} 位`, sending: "正在发送……", starting: "等待轮到……", step: (n, of) => `第 ${n} 步，共 ${of} 步`, finishing: "即将完成……", done: s => `完成，用时 ${s} 秒。`, cancelled: "已取消。",
    again: "重新绘制", dismiss: "关闭", gone: "服务器已不认得这张图片，可能重启过。", drawing: "正在绘制", preview: "正在绘制的图片预览",
    missing: "请先写下要画什么。", open: slots => `还有空白要填：${slots}。`, lost: "连接不到服务器，它在运行吗？", wrong: "服务器需要 API 密钥：请在上方填写。",
    seedWrong: "种子必须是 0 到 18446744073709551615 之间的整数。", number: (name, min, max) => `${name}必须是 ${min} 到 ${max} 之间的数。`, whole: (name, min, max) => `${name}必须是 ${min} 到 ${max} 之间的整数。`,
    sixteen: name => `${name}必须是 16 的倍数。`, tooLarge: (most, side) => `图片最多 ${most} 像素，即 ${side} × ${side}。`, both: "引导和 NAG 不能同时使用：请把引导设为 0，或把 NAG 设为 1。", tooMany: n => `已有 ${n} 个任务在等待：请等其中一个完成。`,
    tooLong: n => `提示词最多 ${n} 个字符。`, noPicture: "浏览器读不出这个图片文件。",
    open1: "打开", use: "使用这些设置", input: "作为起点", save: "下载", saveAs: "保存为", saveNote: "只有 PNG 文件保留设置。", delete: "删除", deleted: "已删除。", undo: "撤销", redo: "重做", favourite: "收藏",
    viewTitle: "图片", close: "关闭", previous: "上一张", next: "下一张", zoomIn: "放大", zoomOut: "缩小", fit: "适合窗口", compare: "前后对比", compareSlider: "前后分界的位置",
    size: "尺寸", time: "用时", taken: "图片的设置已填入表单。", asInput: "改为作为起点", notKept: "此浏览器不保存图片：关闭页面后即消失。", full: "浏览器空间已满：请删除一些图片。",
    noSource: n => `它从一张图片${n ? "和一个遮罩" : ""}画成，文件里没有它们：请在下面添加。`, fixes: "应用修正", others: n => `另有 ${n} 条提示`, formatGone: f => `此浏览器写不出 ${f}，已存为 PNG。`,
    maskTitle: "涂出要改的部分", maskHelp: "涂到的部分会重新绘制，其余保持原样。", maskCanvas: "可涂抹的图片", maskKeys: "键盘：方向键移动，空格涂抹，[ 和 ] 改变笔刷，E 擦除，Ctrl+Z 撤销。",
    brush: "笔刷", erase: "橡皮", clear: "清空", invert: "反选", maskDone: "使用",
    codes: {
      queue_full: "队列已满，请稍后再试。", not_ready: "服务器正在启动或关闭，请稍后再试。", shutting_down: "服务器正在关闭，请稍后再试。", busy: "服务器忙，请稍后再试。", timeout: "用时太长，已停止。",
      out_of_memory: "内存不足：请减小尺寸或张数。", failed: "没能画出来，原因见服务器日志。", request_too_large: "请求太大：请用小一些的图片。", not_found: "服务器上没有这个任务了。", too_many_watchers: "同时查看的页面太多。", invalid_value: "服务器不接受这个值"
    },
    slots: { subject: "主体", text: "文字" },
    params: { prompt: "提示词", negative_prompt: "不要出现", size: "尺寸", width: "宽", height: "高", steps: "步数", count: "张数", seed: "种子", guidance: "引导强度", nag_scale: "NAG", strength: "改动多少", image: "图片", mask: "遮罩", loras: "LoRA", sampler: "采样器", schedule: "调度", upscaler: "放大模型", extend: "向画面外延伸" },
    names: {
      "film-photo": "胶片摄影", "studio-photo": "影棚摄影", "street-photo": "街头摄影", "macro-photo": "微距摄影", "aerial-photo": "航拍摄影", "black-and-white": "黑白照片", cinematic: "电影感", "oil-painting": "油画", watercolour: "水彩", "ink-painting": "水墨画", gongbi: "工笔",
      "ukiyo-e": "浮世绘", "pencil-sketch": "铅笔素描", "paper-cut": "剪纸", "pixel-art": "像素艺术", "flat-illustration": "扁平插画", "picture-book": "儿童绘本", anime: "动画", clay: "黏土", "low-poly": "低多边形", portrait: "肖像", product: "产品", poster: "海报", landscape: "风光"
    }
  }
};

/** Prompts to begin with, each with two colours; those of the small model name what it knows. */
const examples = {
  small: [
    ["a fox on the left and a tree on the right, yellow background", "左边是狐狸，右边是树，黄色背景", "#f5b942", "#e2703a"], ["a panda on a green background", "绿色背景上的熊猫", "#7fc08a", "#2f6b4f"],
    ["a penguin on a pink background", "粉色背景上的企鹅", "#f3a8c0", "#b65a86"], ["a cat on the left and a dog on the right, blue background", "左边是猫，右边是狗，蓝色背景", "#7aa7e0", "#33559f"],
    ["an owl on an orange background", "橙色背景上的猫头鹰", "#f0a552", "#8f4a1f"], ["a rocket on a black background", "黑色背景上的火箭", "#4b4f63", "#14151c"]
  ],
  large: [
    ["A red fox asleep in fresh snow, its tail over its nose, low winter sun, 85 mm photograph, shallow depth of field", "一只红狐狸蜷在新雪里睡着，尾巴盖住鼻子，低低的冬日阳光，85毫米镜头摄影，浅景深", "#f3d9c0", "#d07a45"],
    ["A tea house on a misty mountain at dawn, pine trees, few brush strokes, Chinese ink wash painting on rice paper", "清晨云雾山中的茶舍，几棵松树，寥寥数笔，宣纸水墨画", "#dfe3e2", "#6b7a7c"],
    ["A poster with the large title \"NIGHT TRAIN\" at the top, below it a steam train crossing a bridge, two-colour screen print", "一张海报，顶部是大标题“夜行列车”，下方是一列驶过大桥的蒸汽火车，双色丝网印刷", "#f06449", "#1d2a5b"],
    ["A bowl of noodles with a soft egg, steam rising, dark wooden table, soft window light from the left, food photograph", "一碗面，卧着溏心蛋，热气升起，深色木桌，左侧柔和的窗光，美食摄影", "#f0c987", "#7a3f22"],
    ["Portrait of an old fisherman looking into the camera, weathered face, knitted cap, grey harbour behind him, 35 mm film photograph", "老渔夫的肖像，看向镜头，饱经风霜的脸，毛线帽，身后是灰色的港口，35毫米胶片摄影", "#9fb4c0", "#34495a"],
    ["A greenhouse full of ferns on a floating island above the clouds, children's book illustration, gouache, warm colours", "云上浮岛，岛上有一座长满蕨类的温室，儿童绘本插画，水粉，暖色", "#bfe0b4", "#3f8f86"]
  ]
};
